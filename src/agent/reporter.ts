import type { AppArmorNode, AppArmorNodeStatus } from '../api/generated/apparmornode.ts';
import { APPARMOR_NODE } from '../api/resources.ts';
import { retryDelay } from '../kube/backoff.ts';
import type { Clock } from '../kube/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import type { PartialObject } from '../kube/resource.ts';
import type { Logger } from '../log.ts';
import { mergePatchBetween } from './merge-patch.ts';
import type { AgentMetrics } from './metrics.ts';
import type { UnloadGrant } from './removals.ts';
import { afterChange, afterWrite, NOTHING_TOLD } from './report-timing.ts';
import { isRecord } from '../api/json.ts';
import { createWake } from './wake.ts';

/** Keeps the status of this node's AppArmorNode as it should be, with as few writes as that takes. */
export interface Reporter {
  /** What the status should be from now on; `more`: it will change again, as policies are fetched or compiled. */
  offer(status: AppArmorNodeStatus, more: boolean): void;
  /** What the watch saw; undefined: there is no such object. */
  seen(node: SeenNode | undefined): void;
  /** Whether the API server holds what was offered last. */
  isCurrent(): boolean;
  /** Writes until the signal aborts. */
  run(): Promise<void>;
}

export interface SeenNode {
  uid: string;
  resourceVersion: string;
  status: Readonly<Record<string, unknown>>;
  unload: readonly UnloadGrant[];
}

export interface ReporterOptions {
  client: KubeClient;
  node: string;
  signal: AbortSignal;
  clock: Clock;
  random: () => number;
  log: Logger;
  metrics: AgentMetrics;
}

const LEAST_BETWEEN_WRITES_MS = 1_000;
const BACKOFF = { baseMs: 1_000, maxMs: 30_000 };
const LONG_MS = 3_600_000;

export function createReporter(options: ReporterOptions): Reporter {
  const { client, node, signal, clock, log, metrics } = options;
  const wake = createWake(clock);
  let offered: AppArmorNodeStatus | undefined;
  let seen: SeenNode | undefined;
  let lastWrite: number | undefined;
  let telling = NOTHING_TOLD;
  let more = false;
  /** The last write: what was to be, and the version that it made. */
  let written: { offered: AppArmorNodeStatus; uid: string; resourceVersion: string } | undefined;
  /** What the server made of what was offered: if its CRD drops a field, writing again would not bring it back. */
  let answered: { offered: AppArmorNodeStatus; status: SeenNode['status'] } | undefined;

  const patch = (): Record<string, unknown> | undefined => {
    if (offered === undefined || seen === undefined) return undefined;
    if (answered?.offered === offered && mergePatchBetween(answered.status, seen.status) === undefined)
      return undefined;
    return mergePatchBetween(seen.status, { ...offered });
  };

  const isFirstProblem = (): boolean => (offered?.problemCount ?? 0) > 0 && (seen?.status['problemCount'] ?? 0) === 0;

  const changed = (): void => {
    telling = afterChange(telling, clock.now(), { more, firstProblem: isFirstProblem() });
    wake.call();
  };

  const quiet = async (): Promise<void> => {
    for (;;) {
      const ms = (telling.untold?.dueAt ?? 0) - clock.now();
      if (ms <= 0 || signal.aborted) return;
      // Another change may put it off, or bring it forward.
      await wake.wait(ms, signal);
    }
  };

  /** Of the version that the last write made, a watch event says what the server made of it. */
  const noteAnswer = ({ uid, resourceVersion, status }: SeenNode): void => {
    if (written?.uid !== uid || written.resourceVersion !== resourceVersion) return;
    answered = { offered: written.offered, status };
  };

  /** Its answer is without the status, which comes by the watch anyway: it may be large, and there are many nodes. */
  const write = async (status: Record<string, unknown>): Promise<void> => {
    lastWrite = clock.now();
    telling = afterWrite(telling);
    const before = { offered, seen };
    try {
      const how = { subresource: 'status', metadataOnly: true, signal } as const;
      const { metadata } = await client.mergePatch<PartialObject>(APPARMOR_NODE, { name: node }, { status }, how);
      metrics.reportWrites.inc({ result: 'ok' });
      if (before.offered === undefined) return;
      const { uid, resourceVersion } = metadata;
      written = { offered: before.offered, uid, resourceVersion };
      const supposed = { uid, resourceVersion, status: { ...before.offered }, unload: seen?.unload ?? [] };
      if (seen?.uid === uid && seen.resourceVersion === resourceVersion) noteAnswer(seen);
      else if (seen === undefined || seen === before.seen || isOlder(seen, supposed)) seen = supposed;
    } catch (error) {
      if (signal.aborted) return;
      metrics.reportWrites.inc({ result: 'error' });
      // Deleted since it was seen; the watch tells when there is one again.
      if (!isNotFound(error)) throw error;
      if (seen === before.seen) seen = undefined;
    }
  };

  return {
    offer(status, moreToCome) {
      more = moreToCome;
      if (offered === undefined || mergePatchBetween({ ...offered }, { ...status }) !== undefined) offered = status;
      if (patch() !== undefined) changed();
    },
    seen(next) {
      if (next !== undefined && seen !== undefined && isOlder(next, seen)) return;
      seen = next;
      if (next !== undefined) noteAnswer(next);
      if (patch() !== undefined) changed();
    },
    isCurrent: () => offered !== undefined && seen !== undefined && patch() === undefined,
    async run() {
      let failed = 0;
      let pause = LONG_MS;
      while (!signal.aborted) {
        if ((await wake.wait(pause, signal)) && pause !== LONG_MS) await clock.sleep(pause, signal);
        if (lastWrite !== undefined) {
          await clock.sleep(Math.max(0, lastWrite + LEAST_BETWEEN_WRITES_MS - clock.now()), signal);
        }
        await quiet();
        const status = patch();
        pause = LONG_MS;
        if (status === undefined || signal.aborted) continue;
        try {
          await write(status);
          failed = 0;
          if (patch() !== undefined) changed();
        } catch (error) {
          pause = retryDelay(failed, error, BACKOFF, options.random);
          failed += 1;
          log.warn('the status could not be written', { error, retryInMs: Math.round(pause) });
        }
      }
    },
  };
}

export function seenNode({ metadata, spec, status }: AppArmorNode): SeenNode {
  return {
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    status: isRecord(status) ? status : {},
    unload: spec?.unload ?? [],
  };
}

/** Of one object, resourceVersions are numbers that grow: a watch may still deliver what was before our own write. */
function isOlder(next: SeenNode, seen: SeenNode): boolean {
  if (next.uid !== seen.uid) return false;
  const numbers = [next.resourceVersion, seen.resourceVersion];
  if (!numbers.every((version) => /^\d+$/.test(version))) return false;
  return BigInt(next.resourceVersion) < BigInt(seen.resourceVersion);
}
