import { ANNOTATION } from '../../api/names.ts';
import { hasMetadata, mergedMetadata } from '../keeping/metadata.ts';
import type { DaemonSet } from './agent-daemonset.ts';

export type DaemonSetPlan =
  | { kind: 'keep' }
  | { kind: 'create'; object: DaemonSet }
  /** PUT of the whole spec; `reason` says whether it is our configuration that changed or somebody else's edit. */
  | { kind: 'replace'; object: DaemonSet; reason: 'configured' | 'edited' | 'firstLook' };

/** What this controller wrote last. Nobody else counts generations for us, so a new leader writes once to know. */
export interface WrittenDaemonSet {
  uid: string;
  generation: number;
}

/**
 * What to do so that the DaemonSet is as wanted. Its `metadata.generation` moves with every change of its spec, so a live
 * one that is not the one we wrote is somebody else's edit; fields that the API server defaults are not compared. The first
 * write of a term changes nothing, and costs the API server no write either, if the live spec is as wanted.
 */
export function planDaemonSet(
  wanted: DaemonSet,
  live: DaemonSet | undefined,
  written: WrittenDaemonSet | undefined,
): DaemonSetPlan {
  if (live === undefined) return { kind: 'create', object: wanted };
  if (live.metadata.deletionTimestamp !== undefined) return { kind: 'keep' };
  const object = merged(wanted, live);
  const hash = ANNOTATION.specHash;
  const liveHash = live.metadata.annotations?.[hash];
  if (liveHash !== undefined && liveHash !== wanted.metadata.annotations?.[hash]) {
    return { kind: 'replace', object, reason: 'configured' };
  }
  if (written === undefined || written.uid !== live.metadata.uid)
    return { kind: 'replace', object, reason: 'firstLook' };
  if (written.generation !== live.metadata.generation || !hasMetadata(wanted.metadata, live.metadata)) {
    return { kind: 'replace', object, reason: 'edited' };
  }
  return { kind: 'keep' };
}

/** The wanted spec under the live metadata: what others put there stays, and so does `kubectl rollout restart`. */
function merged(wanted: DaemonSet, live: DaemonSet): DaemonSet {
  const restartedAt = live.spec.template.metadata?.annotations?.[RESTARTED_AT];
  const spec = structuredClone(wanted.spec);
  if (restartedAt !== undefined)
    Object.assign(spec.template.metadata ?? {}, { annotations: { [RESTARTED_AT]: restartedAt } });
  return { metadata: mergedMetadata(wanted.metadata, live.metadata), spec };
}

/** Written by `kubectl rollout restart`: the user's wish that pods are made anew, not a change of what they are. */
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt';
