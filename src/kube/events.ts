import { createHash } from 'node:crypto';
import type { KubeClient } from './client.ts';
import type { Clock } from './clock.ts';
import { isNotFound, KubeError } from './errors.ts';
import { EVENTS } from './resource.ts';
import { microTime } from './micro-time.ts';
import { startWorkQueue } from './work-queue.ts';

/** What an Event is about. */
export interface ObjectReference {
  apiVersion: string;
  kind: string;
  name: string;
  /** Absent for cluster-scoped objects: their Events live in `default`. */
  namespace?: string;
  uid?: string;
}

export interface EventNotice {
  regarding: ObjectReference;
  type: 'Normal' | 'Warning';
  /** UpperCamelCase, why. */
  reason: string;
  /** UpperCamelCase, what was done or tried. */
  action: string;
  /** For people; cut to 1,024 bytes, as the API server demands. */
  note: string;
}

/** Tells users by Events. A lost Event harms nobody: nothing here throws, waits or grows without bound. */
export interface EventRecorder {
  /** The same notice again within 10 min makes a series of the first, written at most once a minute. */
  record(notice: EventNotice): void;
  /** Writes what is not yet written, each at most once more. */
  flush(): Promise<void>;
  /** Stops without writing what waits. */
  stop(): Promise<void>;
}

export interface EventRecorderOptions {
  client: KubeClient;
  /** Name of the program, such as `apparmor-operator.dev/controller`. */
  controller: string;
  /** Name of the pod. */
  instance: string;
  clock: Clock;
  random: () => number;
  /** An Event that is given up on, or dropped because too many wait. */
  onError: (error: unknown) => void;
}

const SERIES_MS = 10 * 60_000;
const SERIES_WRITE_MS = 60_000;
const MAX_SERIES = 1000;
const MAX_TRIES = 5;
const MAX_NOTE_BYTES = 1024;

interface Series {
  notice: EventNotice;
  namespace: string;
  name: string;
  firstAt: Date;
  lastAt: Date;
  /** `clock.now()` of the last notice. */
  seenAt: number;
  count: number;
  /** The count that the API server has; 0: the Event does not exist yet. */
  written: number;
  tries: number;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock } = options;
  const series = new Map<string, Series>();
  let turn: Promise<void> = Promise.resolve();
  const queue = startWorkQueue({
    reconcile: writeInTurn,
    concurrency: 1,
    clock,
    random: options.random,
    baseDelayMs: 1000,
    onError: () => undefined,
  });

  /** A flush and the queue must not create the same Event at once. */
  function writeInTurn(key: string, signal?: AbortSignal): Promise<void> {
    const written = turn.then(() => write(key, signal));
    turn = written.catch(() => undefined);
    return written;
  }

  async function write(key: string, signal?: AbortSignal): Promise<void> {
    const entry = series.get(key);
    if (entry === undefined || entry.written === entry.count) return;
    const { count } = entry;
    try {
      await writeSeries(client, options, entry, signal);
      entry.written = count;
      entry.tries = 0;
    } catch (error) {
      entry.tries += 1;
      if (entry.tries < MAX_TRIES && isWorthRetrying(error)) throw error;
      series.delete(key);
      options.onError(error);
    }
  }

  function forgetOld(now: number): void {
    for (const [key, entry] of series) {
      // In the order of the last notice, so the first that is young ends the search.
      if (now - entry.seenAt < SERIES_MS) return;
      series.delete(key);
    }
  }

  return {
    record(notice) {
      const now = clock.now();
      forgetOld(now);
      const key = keyOfNotice(notice);
      const known = series.get(key);
      if (known !== undefined) {
        Object.assign(known, { count: known.count + 1, lastAt: clock.date(), seenAt: now });
        series.delete(key);
        series.set(key, known);
        queue.addAfter(key, SERIES_WRITE_MS);
        return;
      }
      if (series.size >= MAX_SERIES) {
        options.onError(new Error(`an Event was dropped, ${MAX_SERIES} are remembered already: ${notice.note}`));
        return;
      }
      series.set(key, newSeries(notice, options.instance, clock));
      queue.add(key);
    },
    async flush() {
      for (const key of Array.from(series.keys())) await writeInTurn(key).catch(options.onError);
    },
    stop: () => queue.stop(),
  };
}

function newSeries(notice: EventNotice, instance: string, clock: Clock): Series {
  const at = clock.date();
  const unique = createHash('sha256')
    .update(`${instance} ${keyOfNotice(notice)} ${at.toISOString()}`)
    .digest('hex');
  return {
    notice,
    namespace: notice.regarding.namespace ?? 'default',
    name: `${notice.regarding.name.slice(0, 230).replace(/[-.]+$/, '')}.${unique.slice(0, 16)}`,
    firstAt: at,
    lastAt: at,
    seenAt: clock.now(),
    count: 1,
    written: 0,
    tries: 0,
  };
}

async function writeSeries(
  client: KubeClient,
  options: EventRecorderOptions,
  entry: Series,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { notice, namespace, name, count, lastAt } = entry;
  const series = count > 1 ? { series: { count, lastObservedTime: microTime(lastAt) } } : {};
  const requestOptions = signal === undefined ? {} : { signal };
  if (entry.written > 0) {
    await client.mergePatch(EVENTS, { namespace, name }, series, requestOptions);
    return;
  }
  await client.create(
    EVENTS,
    {
      metadata: { namespace, name },
      eventTime: microTime(entry.firstAt),
      reportingController: options.controller,
      reportingInstance: options.instance.slice(0, 128),
      regarding: notice.regarding,
      type: notice.type,
      reason: notice.reason,
      action: notice.action,
      note: cutToBytes(notice.note, MAX_NOTE_BYTES),
      ...series,
    },
    requestOptions,
  );
}

function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof KubeError) || isNotFound(error)) return false;
  return error.status === 0 || error.status === 429 || error.status >= 500;
}

function keyOfNotice({ regarding, type, reason, action, note }: EventNotice): string {
  const { apiVersion, kind, namespace = '', name, uid = '' } = regarding;
  return JSON.stringify([apiVersion, kind, namespace, name, uid, type, reason, action, note]);
}

function cutToBytes(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  // A character that was cut in two decodes to U+FFFD.
  return `${encoded
    .subarray(0, bytes - 3)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')}…`;
}
