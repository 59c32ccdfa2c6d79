import type { KernelProfile } from '../kernel/apparmor.ts';
import { whatIsWrong } from './compiled-check.ts';
import { driftOf, foreignNames } from './drift.ts';
import type { Drift } from './drift.ts';
import type { Failure } from './failure.ts';
import { viewKernel } from './kernel-view.ts';
import type { KernelView } from './kernel-view.ts';
import { loadId, rootsOfLoad } from './ledger.ts';
import type { CompileWarning, Ledger, LedgerLoad, LoadedProfile, Origin } from './ledger.ts';
import { claimedNames, ownership } from './ownership.ts';
import type { LivingObject, Owner, OwnerOf } from './ownership.ts';
import type { WantedPolicy } from './prepared-revision.ts';
import { planRemovals } from './removals.ts';
import type { Removal, UnloadKnowledge, Waiting } from './removals.ts';
import { retainedRows } from './retained.ts';
import type { RetainedRow } from './retained.ts';

export interface PlanInput {
  wanted: readonly WantedPolicy[];
  /** By uid: every object that exists. */
  living: ReadonlyMap<string, LivingObject>;
  kernel: readonly KernelProfile[];
  ledger: Ledger;
  bootID: string;
  /** By fingerprint: what is compiled already. */
  compiled: ReadonlyMap<string, CompiledPolicy>;
  /** By fingerprint (compile) or load id (kernel): what failed and must not be tried again yet. */
  failures: ReadonlyMap<string, Failure>;
  /** Whether the compile of a fingerprint overran the short limits and waits behind all others. */
  isSlow: (fingerprint: string) => boolean;
  unload: UnloadKnowledge;
  /** Milliseconds, of the clock that `Failure.retryAt` is from. */
  now: number;
}

export interface CompiledPolicy {
  /** Hex, of the compiled bytes; `sha1` for kernels before 6.8. */
  sha256: string;
  sha1: string;
  profiles: readonly LoadedProfile[];
  warning?: CompileWarning;
}

/** What to do, and why, for one node. */
export interface Plan {
  policies: readonly PolicyPlan[];
  /** In the kernel by us, and wanted by nobody. */
  retained: readonly RetainedRow[];
  /** Those of them that may be removed now, if nothing runs under them directly before. */
  removals: readonly Removal[];
  /** Those of them that may be removed in time, with what for they wait. */
  waiting: readonly Waiting[];
  /** Rows of the ledger that stand for nothing any more. */
  forget: readonly string[];
}

export interface PolicyPlan {
  policy: WantedPolicy;
  step: Step;
  /** What to do with the object's last good load where `step` does not end in the wanted one. */
  fallback?: Fallback;
}

export type Step =
  /** The kernel holds it, the ledger knows. */
  | { kind: 'keep'; load: LedgerLoad }
  /** The kernel holds it, the ledger does not know yet: adopted, or the same bytes as the revision before. */
  | { kind: 'record'; load: LedgerLoad; origins: ReadonlyMap<string, Origin> }
  | LoadStep
  | { kind: 'compile' }
  | { kind: 'failed'; failure: Failure }
  | { kind: 'conflict'; profile: string; owner: ConflictOwner };

export interface LoadStep {
  kind: 'load';
  load: LedgerLoad;
  origins: ReadonlyMap<string, Origin>;
  drift: readonly Drift[];
}

export type ConflictOwner = { kind: 'object'; name: string } | { kind: 'unknown' };

export type Fallback =
  | { kind: 'held'; load: LedgerLoad }
  | LoadStep
  | { kind: 'failed'; load: LedgerLoad; failure: Failure };

/** The rules of the agent: from what is wanted, what the kernel holds and what the ledger knows to what should be done. */
export function planNode(input: PlanInput): Plan {
  const view = viewKernel(input.kernel, input.ledger, input.bootID);
  const ownerOf = ownership(input.wanted, input.living, input.ledger);
  const world: World = { ...input, view, ownerOf };
  const policies = input.wanted.map((policy) => planPolicy(policy, world));
  const { retained, forget } = retainedRows(policies, { ...input, view });
  return { policies, retained, forget, ...planRemovals(retained, policies, input.unload, input.now) };
}

interface World extends PlanInput {
  view: KernelView;
  ownerOf: OwnerOf;
}

function planPolicy(policy: WantedPolicy, world: World): PolicyPlan {
  const step = planStep(policy, world);
  if (step.kind === 'keep' || step.kind === 'record' || step.kind === 'load') return { policy, step };
  const fallback = planFallback(policy, step, world);
  return { policy, step, ...(fallback === undefined ? {} : { fallback }) };
}

function planStep(policy: WantedPolicy, world: World): Step {
  const rival = claimedNames(policy)
    .map((profile) => ({ profile, owner: world.ownerOf(profile) }))
    .find(({ owner }) => owner !== undefined && owner.uid !== policy.object.uid);
  if (rival !== undefined) return conflict(rival.profile, rival.owner);
  if (policy.refusal !== undefined) return { kind: 'failed', failure: policy.refusal };

  const compileFailed = activeFailure(policy.fingerprint, world);
  if (compileFailed !== undefined) return { kind: 'failed', failure: compileFailed };
  const compiled = world.compiled.get(policy.fingerprint);
  if (compiled === undefined) return { kind: 'compile' };
  const wrong = whatIsWrong(policy, compiled);
  if (wrong !== undefined) return { kind: 'failed', failure: wrong };

  const load = loadOf(policy, compiled);
  const [foreign] = foreignNames(load, world);
  if (foreign !== undefined && policy.conflictPolicy === 'Refuse') return conflict(foreign, undefined);

  if (world.view.deviations(load).length === 0) {
    return isRecorded(load, world) ? { kind: 'keep', load } : { kind: 'record', load, origins: originsOf(load, world) };
  }
  const kernelFailed = activeFailure(load.id, world);
  if (kernelFailed !== undefined) return { kind: 'failed', failure: kernelFailed };
  return loadStep(load, world);
}

/**
 * While the wanted revision cannot be loaded, the object's last good one is what protects: after a reboot or drift it is put
 * back. Compiled by another image or for another kernel, it is used only once the recompile has failed or takes long.
 */
function planFallback(policy: WantedPolicy, step: Step, world: World): Fallback | undefined {
  const id = world.ledger.objects.get(policy.object.uid)?.lastGood;
  const load = id === undefined ? undefined : world.ledger.loads.get(id);
  if (load === undefined || load.object !== policy.object.uid) return undefined;

  if (world.view.deviations(load).length === 0) return { kind: 'held', load };
  const isSoonHere = step.kind === 'compile' && !world.isSlow(policy.fingerprint);
  if (isSoonHere && load.environment !== policy.environment) return undefined;
  const othersOwn = rootsOfLoad(load).some((name) => (world.ownerOf(name)?.uid ?? load.object) !== load.object);
  if (othersOwn || foreignNames(load, world).length > 0) return undefined;
  const failure = activeFailure(load.id, world);
  return failure === undefined ? loadStep(load, world) : { kind: 'failed', load, failure };
}

function loadStep(load: LedgerLoad, world: World): LoadStep {
  return { kind: 'load', load, origins: originsOf(load, world), drift: driftOf(load, world) };
}

function conflict(profile: string, owner: Owner | undefined): Step {
  return {
    kind: 'conflict',
    profile,
    owner: owner === undefined ? { kind: 'unknown' } : { kind: 'object', name: owner.name },
  };
}

function activeFailure(key: string, { failures, now }: World): Failure | undefined {
  const failure = failures.get(key);
  return failure?.retryAt !== undefined && failure.retryAt <= now ? undefined : failure;
}

function loadOf(policy: WantedPolicy, compiled: CompiledPolicy): LedgerLoad {
  return {
    id: loadId(policy.revision, compiled.sha256),
    object: policy.object.uid,
    revision: policy.revision,
    text: policy.text,
    fingerprint: policy.fingerprint,
    environment: policy.environment,
    sha256: compiled.sha256,
    sha1: compiled.sha1,
    profiles: compiled.profiles,
    ...(compiled.warning === undefined ? {} : { warning: compiled.warning }),
  };
}

function isRecorded(load: LedgerLoad, { ledger, bootID }: World): boolean {
  // Compiled anew to the same bytes: the ledger should say what made them now.
  if (ledger.loads.get(load.id)?.fingerprint !== load.fingerprint) return false;
  return rootsOfLoad(load).every((name) => {
    const row = ledger.rows.get(name);
    if (row?.unloading !== undefined) return false;
    return row?.object === load.object && row.loaded?.load === load.id && row.loaded.bootID === bootID;
  });
}

function originsOf(load: LedgerLoad, { view, ledger, bootID }: World): ReadonlyMap<string, Origin> {
  const originOf = (name: string): Origin => {
    const row = ledger.rows.get(name);
    if (row !== undefined && (row.loaded?.bootID === bootID || view.isOurs(name))) return row.origin;
    if (!view.has(name)) return 'created';
    return view.hasBytes(name, load) ? 'adopted' : 'takenOver';
  };
  return new Map(rootsOfLoad(load).map((name) => [name, originOf(name)]));
}
