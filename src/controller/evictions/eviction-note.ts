import { EVENT_REASON } from '../../api/reasons.ts';
import { keyOfPod, type EvictionPlan, type EvictionProgress } from './plan-evictions.ts';

/** What is said of an object's evictions, and the reason of the Event where somebody has to act. */
export interface EvictionNote {
  text: string;
  warning?: typeof EVENT_REASON.evictionsStopped | typeof EVENT_REASON.evictionNotPermitted;
}

/** Gives the controller the right that it has no other use for. */
export const GRANT_COMMAND = 'kubectl apply -k manifests/evict';

/** `denied`: the operator may not evict pods. Undefined where there is nothing to say. */
export function evictionNote({ progress, leftAlone }: EvictionPlan, denied: boolean): EvictionNote | undefined {
  const note = denied && progress.kind !== 'done' ? deniedNote(progress.pending) : progressNote(progress);
  const [example] = leftAlone;
  if (example === undefined) return note;
  const left = `${pods(leftAlone.length)} to be restarted by hand, as nobody would replace an evicted one (${keyOfPod(example)})`;
  return { ...note, text: [...(note === undefined ? [] : [note.text]), left].join('; ') };
}

function deniedNote(pending: number): EvictionNote {
  return {
    text: `${pods(pending)} to be evicted, which the operator has no right to do; grant it with: ${GRANT_COMMAND}`,
    warning: EVENT_REASON.evictionNotPermitted,
  };
}

function progressNote(progress: EvictionProgress): EvictionNote | undefined {
  if (progress.kind === 'done') return undefined;
  const left = `${pods(progress.pending)} to go`;
  if (progress.kind === 'working') {
    const { waitsFor } = progress;
    return { text: `evicting, ${left}${waitsFor === undefined ? '' : `, waiting: ${waitsFor}`}` };
  }
  return {
    text: `evictions have stopped with ${left}: ${progress.message}; they go on once it is Ready and confined`,
    warning: EVENT_REASON.evictionsStopped,
  };
}

function pods(count: number): string {
  return count === 1 ? '1 pod' : `${count} pods`;
}
