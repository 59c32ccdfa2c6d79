import type { KernelView } from './kernel-view.ts';
import { rootsOfLoad } from './ledger.ts';
import type { Ledger, LedgerLoad, LedgerMark, LedgerRow } from './ledger.ts';
import { claimedNames } from './ownership.ts';
import type { LivingObject } from './ownership.ts';
import type { PolicyPlan } from './plan.ts';

/** A profile that we loaded or hold as ours, that nobody wants any more, and that stays loaded. */
export type RetainedRow = UnwantedRow | NotOursRow | StaleChildRow;

interface Row {
  profile: string;
  /** Name of the object that it was loaded for. */
  object: string;
  revision: string;
}

/** We created it in this boot, and the kernel still holds what we loaded: it may be removed, in time. */
export interface UnwantedRow extends Row {
  why: 'unwanted';
  /** Id of the load that the kernel holds. */
  load: string;
  /** Whether its object is gone, rather than not meaning this node or not defining the name any more. */
  isOrphan: boolean;
}

/** It is never removed. `changed`: something else replaced what we had loaded. */
export interface NotOursRow extends Row {
  why: 'notOurs';
  how: 'adopted' | 'takenOver' | 'changed';
}

/** A child that an earlier version of a wanted policy defined; the kernel keeps it on replacement, and it is never removed. */
export interface StaleChildRow extends Row {
  why: 'staleChild';
}

/** The rows that nobody wants: those in the kernel are kept and reported, those that are not are forgotten. */
export function retainedRows(
  policies: readonly PolicyPlan[],
  input: RetainedInput,
): { retained: readonly RetainedRow[]; forget: readonly string[] } {
  const { ledger, view, living } = input;
  const wanted = wantedNames(policies);
  const retained: RetainedRow[] = [];
  const forget: string[] = [];
  for (const [profile, row] of ledger.rows) {
    if (wanted.get(row.object)?.has(profile) === true) continue;
    const object = living.get(row.object);
    if (object !== undefined && object.profiles === undefined) continue;
    if (view.has(profile) && view.isOurs(profile)) retained.push(unwantedRow(profile, row, input));
    else forget.push(profile);
  }
  return { retained: [...retained, ...policies.flatMap((plan) => staleChildren(plan, view))], forget };
}

interface RetainedInput {
  ledger: Ledger;
  view: KernelView;
  bootID: string;
  /** An object whose text is not here yet may still define its names: its rows wait. */
  living: ReadonlyMap<string, LivingObject>;
}

function unwantedRow(
  profile: string,
  row: LedgerRow,
  { ledger, view, bootID, living }: RetainedInput,
): UnwantedRow | NotOursRow {
  const marks = [row.loaded, row.intent].filter((mark): mark is LedgerMark => mark?.bootID === bootID);
  const loads = marks.map(({ load }) => ledger.loads.get(load)).filter((load) => load !== undefined);
  const held = loads.find((load) => isHeld(profile, load, view));
  const object = ledger.objects.get(row.object)?.name ?? '';
  const common = { profile, object, revision: (held ?? loads[0])?.revision ?? '' };
  if (row.origin !== 'created') return { ...common, why: 'notOurs', how: row.origin };
  if (held === undefined) return { ...common, why: 'notOurs', how: 'changed' };
  return { ...common, why: 'unwanted', load: held.id, isOrphan: !living.has(row.object) };
}

function isHeld(profile: string, load: LedgerLoad, view: KernelView): boolean {
  return !view.deviations(load).some((deviation) => deviation.profile === profile && deviation.kind !== 'mode');
}

/** By object uid: the names that its wanted policy or its last good load holds on to. */
function wantedNames(policies: readonly PolicyPlan[]): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(policies.map((plan) => [plan.policy.object.uid, new Set(namesOf(plan))]));
}

/** Top-level names that a wanted policy would write, or whose last good load it holds on to. */
export function namesOf({ policy, fallback }: PolicyPlan): readonly string[] {
  return [...claimedNames(policy), ...(fallback === undefined ? [] : rootsOfLoad(fallback.load))];
}

function staleChildren(plan: PolicyPlan, view: KernelView): readonly StaleChildRow[] {
  const load = heldLoad(plan);
  if (load === undefined) return [];
  const defined = new Set(load.profiles.map(({ name }) => name));
  return rootsOfLoad(load)
    .flatMap((root) => view.under(root))
    .filter((name) => !defined.has(name))
    .map((profile) => ({
      profile,
      object: plan.policy.object.name,
      revision: load.revision,
      why: 'staleChild',
    }));
}

function heldLoad({ step, fallback }: PolicyPlan): LedgerLoad | undefined {
  if (step.kind === 'keep') return step.load;
  return fallback?.kind === 'held' ? fallback.load : undefined;
}
