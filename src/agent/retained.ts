import type { KernelView } from './kernel-view.ts';
import { rootsOfLoad } from './ledger.ts';
import type { Ledger, LedgerLoad } from './ledger.ts';
import { claimedNames } from './ownership.ts';
import type { LivingObject } from './ownership.ts';
import type { PolicyPlan } from './plan.ts';

/** A profile that we loaded, that nobody wants any more, and that stays loaded. */
export interface RetainedRow {
  profile: string;
  /** Name of the object that it was loaded for. */
  object: string;
  revision: string;
  /** staleChild: a child that an earlier version of a wanted policy defined; the kernel keeps it on replacement. */
  why: 'unwanted' | 'staleChild';
}

/** The rows that nobody wants: those in the kernel are kept and reported, those that are not are forgotten. */
export function retainedRows(
  policies: readonly PolicyPlan[],
  { ledger, view, bootID, living }: RetainedInput,
): { retained: readonly RetainedRow[]; forget: readonly string[] } {
  const wanted = wantedNames(policies);
  const retained: RetainedRow[] = [];
  const forget: string[] = [];
  for (const [profile, row] of ledger.rows) {
    if (wanted.get(row.object)?.has(profile) === true) continue;
    const object = living.get(row.object);
    if (object !== undefined && object.profiles === undefined) continue;
    if (view.has(profile) && view.isOurs(profile)) {
      const mark = row.loaded?.bootID === bootID ? row.loaded : row.intent;
      const revision = ledger.loads.get(mark?.load ?? '')?.revision ?? '';
      retained.push({ profile, object: ledger.objects.get(row.object)?.name ?? '', revision, why: 'unwanted' });
    } else {
      forget.push(profile);
    }
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

/** By object uid: the names that its wanted policy or its last good load holds on to. */
function wantedNames(policies: readonly PolicyPlan[]): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    policies.map(({ policy, fallback }) => [
      policy.object.uid,
      new Set([...claimedNames(policy), ...(fallback === undefined ? [] : rootsOfLoad(fallback.load))]),
    ]),
  );
}

function staleChildren(plan: PolicyPlan, view: KernelView): readonly RetainedRow[] {
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
