import { rootOf } from '../kernel/profile-name.ts';
import type { Deviation, KernelView } from './kernel-view.ts';
import { rootsOfLoad } from './ledger.ts';
import type { Correction, Ledger, LedgerLoad } from './ledger.ts';

/** What a load puts right: what happened behind our back to what was loaded in this boot, and what it takes over. */
export type Drift = Deviation | { profile: string; kind: 'foreign' };

export interface DriftInput {
  ledger: Ledger;
  view: KernelView;
  bootID: string;
}

/** Told by what is recorded for the names of the load, which may be an earlier revision of it. */
export function driftOf(load: LedgerLoad, input: DriftInput): readonly Drift[] {
  return rootsOfLoad(load).flatMap((root) => driftOfName(root, load, input));
}

/** Names that something else loaded: we have not loaded them in this boot, and they are not what we would load. */
export function foreignNames(load: LedgerLoad, { view }: { view: KernelView }): readonly string[] {
  return rootsOfLoad(load).filter((name) => view.has(name) && !view.isOurs(name) && !view.hasBytes(name, load));
}

function driftOfName(root: string, load: LedgerLoad, { ledger, view, bootID }: DriftInput): readonly Drift[] {
  const row = ledger.rows.get(root);
  if (row?.loaded?.bootID !== bootID) {
    return foreignNames(load, { view }).includes(root) ? [{ profile: root, kind: 'foreign' }] : [];
  }
  // Begun and not finished by an agent that ended: what the kernel lacks was not taken away behind our back.
  if (row.unloading === bootID) return [];
  const deviations = (id: string | undefined): readonly Deviation[] | undefined => {
    const recorded = ledger.loads.get(id ?? '');
    return recorded && view.deviations(recorded).filter(({ profile }) => rootOf(profile) === root);
  };
  if (row.intent?.bootID === bootID && deviations(row.intent.load)?.length === 0) return [];
  return deviations(row.loaded.load) ?? [];
}

const WHAT = {
  unloaded: 'Unloaded',
  replaced: 'Replaced',
  mode: 'ModeChanged',
  foreign: 'TakenOver',
} as const satisfies Record<Drift['kind'], Correction['what']>;

const WORST_FIRST: readonly Correction['what'][] = ['Unloaded', 'Replaced', 'ModeChanged', 'TakenOver'];

export function whatHappened({ kind }: Drift): Correction['what'] {
  return WHAT[kind];
}

/** One correction per top-level name: the worst that happened to it or to a child of it. */
export function correctionsOf(drift: readonly Drift[], time: string): ReadonlyMap<string, Correction> {
  const corrections = new Map<string, Correction>();
  for (const what of WORST_FIRST) {
    for (const one of drift) {
      const root = rootOf(one.profile);
      if (whatHappened(one) === what && !corrections.has(root)) corrections.set(root, { what, time });
    }
  }
  return corrections;
}
