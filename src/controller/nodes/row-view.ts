import type {
  AppArmorNode,
  AppArmorNodeSpecUnload,
  AppArmorNodeStatusDrift,
  AppArmorNodeStatusProblem,
} from '../../api/generated/index.ts';
import type { ObjectMeta, OwnerReference } from '../../api/resources.ts';
import { createSharing } from '../sharing.ts';

/** What the controller's cache keeps of an AppArmorNode. */
export interface RowView {
  name: string;
  uid: string;
  deleting: boolean;
  owners: readonly OwnerReference[];
  /** The resourceVersion, where the API server tracks who wrote which field although nobody has applied the row. */
  trackedAt: string | undefined;
  bootID: string;
  /** Undefined until the agent has reported. */
  enforcing: boolean | undefined;
  reason: string;
  message: string;
  loaded: Readonly<Record<string, string>>;
  /** When profiles that something had removed in this boot were put back, RFC 3339. */
  loadedSince: Readonly<Record<string, string>>;
  problems: readonly AppArmorNodeStatusProblem[];
  /** The last correction per profile in this boot. */
  drift: readonly AppArmorNodeStatusDrift[];
  /** What the agent may remove now. */
  unload: readonly AppArmorNodeSpecUnload[];
}

/**
 * The cache's projection. Nodes that hold the same share what says so, as nearly all do: for 5,000 nodes with a hundred profiles each
 * that would be 24 MB otherwise.
 */
export function createRowViewer(): (row: AppArmorNode) => RowView {
  const shared = createSharing();
  return ({ metadata, spec, status }) => ({
    name: metadata.name,
    uid: metadata.uid,
    deleting: metadata.deletionTimestamp !== undefined,
    owners: metadata.ownerReferences ?? [],
    trackedAt: isTrackedInVain(metadata) ? metadata.resourceVersion : undefined,
    bootID: status?.bootID ?? '',
    enforcing: status?.enforcing,
    reason: status?.reason ?? '',
    message: status?.message ?? '',
    loaded: shared(status?.loaded ?? {}),
    loadedSince: status?.loadedSince ?? {},
    problems: status?.problems ?? [],
    drift: status?.drift ?? [],
    unload: spec?.unload ?? [],
  });
}

/**
 * An object whose `managedFields` were emptied once is no longer tracked by updates and patches, and each report costs the API server
 * less (docs/performance.md). Whoever applies a row from then on is tracked, and needs it: those are left alone.
 * Source: `skipnonapplied.go` in `k8s.io/apimachinery/pkg/util/managedfields/internal`.
 */
function isTrackedInVain({ managedFields = [] }: ObjectMeta): boolean {
  return managedFields.length > 0 && managedFields.every(({ operation }) => operation !== 'Apply');
}

/**
 * The names of AppArmorProfiles and profiles whose state on the node differs between two views of its row; 'all' where
 * something changed that concerns every object.
 */
export function changedNames(now: RowView | undefined, before: RowView | undefined): 'all' | ReadonlySet<string> {
  return changedBetween(now ?? NOTHING_REPORTED, before ?? NOTHING_REPORTED);
}

type Reported = Pick<RowView, 'bootID' | 'enforcing' | 'reason' | 'loaded' | 'loadedSince' | 'problems'>;

/** A row that is not there counts as one in which no agent has written yet: in a new cluster that is all of them. */
const NOTHING_REPORTED: Reported = {
  bootID: '',
  enforcing: undefined,
  reason: '',
  loaded: {},
  loadedSince: {},
  problems: [],
};

function changedBetween(now: Reported, before: Reported): 'all' | ReadonlySet<string> {
  if (now.bootID !== before.bootID || now.enforcing !== before.enforcing || now.reason !== before.reason) return 'all';
  const names = new Set<string>();
  for (const name of new Set([...Object.keys(now.loaded), ...Object.keys(before.loaded)])) {
    if (now.loaded[name] !== before.loaded[name]) names.add(name);
  }
  for (const [name, since] of Object.entries(now.loadedSince)) {
    if (before.loadedSince[name] !== since) names.add(name);
  }
  const keys = new Set(before.problems.map(problemKey));
  for (const problem of now.problems) {
    if (!keys.delete(problemKey(problem))) names.add(problem.object);
  }
  for (const problem of before.problems) {
    if (keys.has(problemKey(problem))) names.add(problem.object);
  }
  return names;
}

function problemKey(problem: AppArmorNodeStatusProblem): string {
  const { object, profile, revision, state, reason, message, line } = problem;
  return JSON.stringify([object, profile, revision, state, reason, message, line]);
}
