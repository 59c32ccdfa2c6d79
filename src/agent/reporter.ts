import type { AppArmorNode, AppArmorNodeStatus } from '../api/generated/apparmornode.ts';
import { APPARMOR_NODE } from '../api/resources.ts';
import { retryDelay } from '../kube/backoff.ts';
import type { Clock } from '../kube/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import type { Logger } from '../log.ts';
import { mergePatchBetween } from './merge-patch.ts';
import type { AgentMetrics } from './metrics.ts';
import type { UnloadGrant } from './removals.ts';
import { isRecord } from '../api/json.ts';
import { createWake } from './wake.ts';

/** Keeps the status of this node's AppArmorNode as it should be, with as few writes as that takes. */
export interface Reporter {
  /** What the status should be from now on. */
  offer(status: AppArmorNodeStatus): void;
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

/** A burst of changes becomes one write. */
const QUIET_MS = 200;
const LEAST_BETWEEN_WRITES_MS = 1_000;
const BACKOFF = { baseMs: 1_000, maxMs: 30_000 };
const LONG_MS = 3_600_000;

export function createReporter(options: ReporterOptions): Reporter {
  const { client, node, signal, clock, log, metrics } = options;
  const wake = createWake(clock);
  let offered: AppArmorNodeStatus | undefined;
  let seen: SeenNode | undefined;
  let lastWrite: number | undefined;
  /** What the server made of what was offered: if its CRD drops a field, writing again would not bring it back. */
  let answered: { offered: AppArmorNodeStatus; status: SeenNode['status'] } | undefined;

  const patch = (): Record<string, unknown> | undefined => {
    if (offered === undefined || seen === undefined) return undefined;
    if (answered?.offered === offered && mergePatchBetween(answered.status, seen.status) === undefined)
      return undefined;
    return mergePatchBetween(seen.status, { ...offered });
  };

  const write = async (status: Record<string, unknown>): Promise<void> => {
    lastWrite = clock.now();
    const before = { offered, seen };
    try {
      const key = { name: node };
      const written = await client.mergePatch<AppArmorNode>(
        APPARMOR_NODE,
        key,
        { status },
        { subresource: 'status', signal },
      );
      metrics.reportWrites.inc({ result: 'ok' });
      const now = seenNode(written);
      if (before.offered !== undefined) answered = { offered: before.offered, status: now.status };
      if (seen === undefined || !isOlder(now, seen)) seen = now;
    } catch (error) {
      if (signal.aborted) return;
      metrics.reportWrites.inc({ result: 'error' });
      // Deleted since it was seen; the watch tells when there is one again.
      if (!isNotFound(error)) throw error;
      if (seen === before.seen) seen = undefined;
    }
  };

  return {
    offer(status) {
      if (offered === undefined || mergePatchBetween({ ...offered }, { ...status }) !== undefined) offered = status;
      if (patch() !== undefined) wake.call();
    },
    seen(next) {
      if (next !== undefined && seen !== undefined && isOlder(next, seen)) return;
      seen = next;
      if (patch() !== undefined) wake.call();
    },
    isCurrent: () => offered !== undefined && seen !== undefined && patch() === undefined,
    async run() {
      let failed = 0;
      let pause = LONG_MS;
      while (!signal.aborted) {
        if (await wake.wait(pause, signal)) {
          await clock.sleep(Math.max(QUIET_MS, pause === LONG_MS ? 0 : pause), signal);
        }
        if (lastWrite !== undefined) {
          await clock.sleep(Math.max(0, lastWrite + LEAST_BETWEEN_WRITES_MS - clock.now()), signal);
        }
        const status = patch();
        pause = LONG_MS;
        if (status === undefined || signal.aborted) continue;
        try {
          await write(status);
          failed = 0;
          if (patch() !== undefined) wake.call();
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
