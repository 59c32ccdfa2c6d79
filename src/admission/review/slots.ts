/** Places for what may run at once. */
export interface Slots {
  /**
   * Waits for a place; undefined if the signal aborts before, or if too many wait already. Urgent ones go before those that
   * have time.
   */
  take(urgency: 'urgent' | 'patient', signal: AbortSignal): Promise<Place | 'busy' | undefined>;
}

export interface Place {
  release(): void;
}

/** @param mostWaiting of urgent ones; patient ones are bounded by who asks. */
export function createSlots(places: number, mostWaiting: number): Slots {
  let free = places;
  const waiting = { urgent: new Set<() => void>(), patient: new Set<() => void>() };

  function place(): Place {
    free -= 1;
    let released = false;
    return {
      release() {
        if (released) return;
        released = true;
        free += 1;
        const [next] = [...waiting.urgent, ...waiting.patient];
        next?.();
      },
    };
  }

  return {
    async take(urgency, signal) {
      if (signal.aborted) return undefined;
      if (free > 0) return place();
      const line = waiting[urgency];
      if (urgency === 'urgent' && line.size >= mostWaiting) return 'busy';
      return new Promise((resolve) => {
        const leave = (): void => {
          line.delete(called);
          signal.removeEventListener('abort', aborted);
        };
        const called = (): void => {
          leave();
          resolve(place());
        };
        const aborted = (): void => {
          leave();
          resolve(undefined);
        };
        line.add(called);
        signal.addEventListener('abort', aborted, { once: true });
      });
    },
  };
}
