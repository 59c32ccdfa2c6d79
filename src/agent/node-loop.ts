import { isDeepStrictEqual } from 'node:util';
import type { AppArmorKernel, EnforcingState } from '../kernel/apparmor.ts';
import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import type { Environment } from './environment.ts';
import type { LastKnown } from './last-known.ts';
import type { AgentMetrics } from './metrics.ts';
import { createPassRest } from './pass-rest.ts';
import { livingObjects, textOf, wantedPolicies } from './prepared-revision.ts';
import type { WantedPolicy } from './prepared-revision.ts';
import type { FirstPass, Readiness } from './readiness.ts';
import type { UnloadGrant } from './removals.ts';
import { NOTHING_DONE } from './reconciler.ts';
import type { PassResult, Reconciler } from './reconciler.ts';
import { createQuiet } from './quiet.ts';
import { nodeStatus } from './report.ts';
import type { Reporter } from './reporter.ts';
import type { RevisionHead } from './revision-content.ts';
import type { RevisionStore } from './revision-store.ts';
import type { RevisionsSource } from './revisions-source.ts';
import type { StateFolder } from './state-folder.ts';
import type { Wake } from './wake.ts';

/** Waits for changes, runs a pass, reports. */
export interface NodeLoop {
  /** What the API server lists. */
  setHeads(heads: readonly RevisionHead[]): void;
  setLabels(labels: Readonly<Record<string, string>>): void;
  /** What the controller grants on this node's AppArmorNode. */
  setGrants(grants: readonly UnloadGrant[]): void;
  /** The text to compile for a policy; undefined if it is no longer wanted or has to be fetched again. */
  textOf(policy: WantedPolicy): Promise<string | undefined>;
  /** Until the signal aborts. */
  run(): Promise<void>;
}

export interface NodeLoopParts {
  bootID: string;
  kernelRelease: string;
  /** Asked again whenever the node begins to enforce: a kernel without AppArmor has no features. */
  readEnvironment: () => Promise<Environment>;
  lastKnown: LastKnown | undefined;
  kernel: AppArmorKernel;
  state: StateFolder;
  texts: RevisionStore;
  revisions: RevisionsSource;
  reconciler: Reconciler;
  reporter: Reporter;
  readiness: Readiness;
  wake: Wake;
  clock: Clock;
  log: Logger;
  metrics: AgentMetrics;
  /** Called once when there has been nothing to do for a while after there was. */
  onQuiet: () => void;
  signal: AbortSignal;
}

/** How often the kernel's revision is read. Drift is to be put right within 15 s. */
const DRIFT_POLL_MS = 5_000;

export function createNodeLoop(parts: NodeLoopParts): NodeLoop {
  const { revisions, reconciler, wake, clock, log, signal } = parts;
  const restAfter = createPassRest();
  const quiet = createQuiet();
  const fromApi = { heads: false, labels: false };
  let labels = parts.lastKnown?.labels;
  let grants: readonly UnloadGrant[] = [];
  let saved = parts.lastKnown;
  let state: EnforcingState | undefined;
  let environment: Environment | undefined;
  let retryAt: number | undefined;
  if (parts.lastKnown !== undefined) revisions.replaceHeads(parts.lastKnown.revisions);

  const canRemember = (): boolean => parts.state.trouble()?.reason !== 'StateFolderUnusable';

  /** So that the next start, before the API server answers, wants what this one does. Resolves false if it could not be written. */
  const remember = async (known: LastKnown): Promise<boolean> => {
    if (!isDeepStrictEqual(known, saved)) {
      // What is known without its text is not known to the next start.
      await parts.texts.written();
      await parts.state.writeLastKnown(known);
      saved = known;
      await parts.texts.keepOnly(revisions.names());
    }
    return canRemember();
  };

  const report = (now: EnforcingState, result: PassResult, more: boolean): void => {
    const trouble = parts.state.trouble();
    const status = nodeStatus({
      bootID: parts.bootID,
      kernelRelease: parts.kernelRelease,
      state: now,
      plan: result.plan,
      kernel: result.kernel,
      ledger: result.ledger,
      invalid: revisions.invalid(),
      ...(environment?.parser === undefined ? {} : { parser: environment.parser }),
      ...(trouble === undefined ? {} : { trouble }),
    });
    parts.metrics.profilesLoaded.set(status.loadedCount ?? 0);
    for (const problemState of ['Failed', 'Conflict', 'Retained'] as const) {
      const count = status.problems?.filter((problem) => problem.state === problemState).length ?? 0;
      parts.metrics.problems.set({ state: problemState }, count);
    }
    parts.reporter.offer(status, more);
  };

  const observe = async (): Promise<EnforcingState> => {
    const now = await parts.kernel.state();
    if (!isDeepStrictEqual(now, state)) {
      if (now.enforcing) log.info('the node enforces AppArmor');
      else log.warn('the node does not enforce AppArmor', { reason: now.reason, problem: now.message });
    }
    state = now;
    if (!now.enforcing) environment = undefined;
    else environment ??= await parts.readEnvironment();
    return now;
  };

  const pass = async (): Promise<void> => {
    const heard = { ...fromApi, texts: revisions.complete() };
    const now = await observe();
    retryAt = undefined;
    if (environment === undefined) {
      report(now, NOTHING_DONE, false);
      parts.readiness.firstPass(missingFromApi(heard));
      return;
    }
    // Before anything has spoken, it would look as if nobody wanted anything.
    if (labels !== undefined && (fromApi.heads || parts.lastKnown !== undefined)) {
      const usable = [...revisions.current().values()]
        .map((current) => current.usable)
        .filter((head) => head !== undefined);
      const remembered = remember({ labels, revisions: usable });
      const prepared = usable.map(({ name }) => revisions.prepared(name)).filter((revision) => revision !== undefined);
      const wanted = {
        policies: wantedPolicies(prepared, labels, environment.hash),
        living: livingObjects(revisions.current().values(), prepared),
        unload: { allowed: mayRemove(heard), grants },
        // While that is written, policies can be compiled.
        remembered,
      };
      const passed = reconciler.pass(wanted);
      // Awaited whatever becomes of the pass: two writes of the same file would get in each other's way.
      await Promise.allSettled([passed, remembered]);
      const result = await passed;
      retryAt = result.retryAt;
      report(now, result, result.compiling > 0 || revisions.fetching());
      parts.readiness.firstPass(missingFromApi(heard) ?? unsettled(result));
      return;
    }
    parts.readiness.firstPass(missingFromApi(heard));
  };

  /** What nobody wants is known only from all that the API server has, and removed only if that can be remembered. */
  const mayRemove = (heard: Heard): boolean => missingFromApi(heard) === undefined && canRemember();

  const passOrRetry = async (): Promise<void> => {
    const began = clock.now();
    try {
      await pass();
    } catch (error) {
      log.error('a pass failed and will be tried again', { error, retryInMs: DRIFT_POLL_MS });
      retryAt = clock.now() + DRIFT_POLL_MS;
    }
    quiet.busy(clock.now());
    await clock.sleep(restAfter(began, clock.now()), signal);
  };

  /** Whether there is something to do or to say about it. */
  const checkState = async (): Promise<boolean> => {
    const before = parts.state.trouble();
    const found = await parts.state.check();
    if (found === 'lost') reconciler.filesLost();
    return found === 'lost' || !isDeepStrictEqual(before, parts.state.trouble());
  };

  const hasMoved = async (): Promise<boolean> => {
    try {
      const now = await parts.kernel.state();
      return !isDeepStrictEqual(now, state) || (now.enforcing && (await reconciler.moved()));
    } catch (error) {
      log.error("the kernel's revision cannot be read", { error });
      return false;
    }
  };

  return {
    setHeads(heads) {
      fromApi.heads = true;
      revisions.replaceHeads(heads);
    },
    setLabels(next) {
      fromApi.labels = true;
      if (!isDeepStrictEqual(labels, next)) log.info("the node's labels are known", { labels: next });
      labels = next;
      wake.call();
    },
    setGrants(next) {
      if (isDeepStrictEqual(grants, next)) return;
      log.debug('the grants to remove profiles are these', { grants: next });
      grants = next;
      wake.call();
    },
    async textOf(policy) {
      const prepared = revisions.prepared(policy.text);
      if (prepared === undefined || labels === undefined) return undefined;
      const content = await parts.texts.read(prepared);
      if (content === undefined) revisions.forget(policy.text);
      return content === undefined ? undefined : textOf(content, labels, policy);
    },
    async run() {
      wake.call();
      while (!signal.aborted) {
        parts.readiness.beat();
        const pause =
          retryAt === undefined ? DRIFT_POLL_MS : Math.min(DRIFT_POLL_MS, Math.max(0, retryAt - clock.now()));
        const called = await wake.wait(pause, signal);
        if (signal.aborted) return;
        const isDue = retryAt !== undefined && retryAt <= clock.now();
        const isRepaired = !called && (await checkState());
        if (called || isDue || isRepaired || (await hasMoved())) await passOrRetry();
        else if (quiet.begins(clock.now())) parts.onQuiet();
      }
    },
  };
}

interface Heard {
  heads: boolean;
  labels: boolean;
  texts: boolean;
}

function missingFromApi(heard: Heard): FirstPass | undefined {
  const check = 'api-server';
  if (!heard.labels) return { check, reason: 'the API server has not said yet which labels the node has' };
  if (!heard.heads) return { check, reason: 'the API server has not listed the ControllerRevisions yet' };
  return heard.texts ? undefined : { check, reason: 'the texts of some ControllerRevisions are not here yet' };
}

function unsettled({ compiling }: PassResult): FirstPass | undefined {
  if (compiling === 0) return undefined;
  return { check: 'policies', reason: `the first pass is not done: ${compiling} policies have to be compiled` };
}
