import { POD_RULE_ANNOTATION } from '../../admission/pods/published-rule.ts';
import { EVENT_REASON } from '../../api/reasons.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import { CONTROLLER_REVISIONS } from '../../kube/resource.ts';
import type { Logger } from '../../log.ts';
import type { Announce } from '../announce.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import { namesOwnedByOthers, type Claimant, type OwnedName } from '../../admission/review/name-owners.ts';
import type { Accepted } from '../../admission/review/verdict.ts';
import type { TrialState } from './keep-reviews.ts';
import { planRevisions, type RevisionAction } from './plan.ts';
import { revisionMetadata, revisionObject } from './revision-object.ts';
import type { ControllerRevision, RevisionView } from './revision-view.ts';

/** Keeps the revisions of all objects; remembers what could not be stored, for one term of leadership. */
export interface RevisionsKeeper {
  keep(name: string, signal: AbortSignal): Promise<void>;
  /** Why the object's revision could not be stored at the last try; undefined if it could. */
  problem(name: string): string | undefined;
  /** Names of the spec that other objects own, so that it is not published. */
  conflicts(name: string): readonly OwnedName[];
  forget(name: string): void;
}

export interface RevisionParts {
  client: KubeClient;
  namespace: string;
  logger: Logger;
  announce: Announce;
  profile(name: string): ProfileView | undefined;
  claimant(profile: ProfileView): Claimant;
  claimants(): Iterable<Claimant>;
  revisionsOf(objectUid: string): readonly RevisionView[];
  /** Of the trial compile; undefined: it has not begun. */
  trialState(profile: ProfileView): TrialState | undefined;
  startTrial(name: string): void;
  /** The object's texts; undefined if it is no longer the one that the cache has. */
  read(profile: ProfileView, signal: AbortSignal): Promise<Accepted | undefined>;
  /** `problem(name)` or `conflicts(name)` says something else now. */
  onProblem(name: string): void;
}

export function createRevisionsKeeper(parts: RevisionParts): RevisionsKeeper {
  const problems = new Map<string, string>();
  const conflicts = new Map<string, readonly OwnedName[]>();

  function note(name: string, problem: string | undefined): void {
    if (problems.get(name) === problem) return;
    if (problem === undefined) problems.delete(name);
    else problems.set(name, problem);
    parts.onProblem(name);
  }

  function noteConflicts(name: string, owned: readonly OwnedName[]): void {
    const before = conflicts.get(name) ?? [];
    if (canonicalJson(before) === canonicalJson(owned)) return;
    if (owned.length === 0) conflicts.delete(name);
    else conflicts.set(name, owned);
    parts.onProblem(name);
  }

  return {
    async keep(name, signal) {
      try {
        noteConflicts(name, await keepRevisions(name, parts, signal));
        note(name, undefined);
      } catch (error) {
        if (!signal.aborted) note(name, error instanceof Error ? error.message : String(error));
        throw error;
      }
    },
    problem: (name) => problems.get(name),
    conflicts: (name) => conflicts.get(name) ?? [],
    forget(name) {
      problems.delete(name);
      conflicts.delete(name);
    },
  };
}

/** One reconcile of an object's revisions. Returns the names that keep it from being published. Throws KubeError; the caller retries. */
async function keepRevisions(name: string, parts: RevisionParts, signal: AbortSignal): Promise<readonly OwnedName[]> {
  const profile = parts.profile(name);
  // A deleted object's revisions belong to the garbage collector.
  if (profile === undefined || profile.deleting) return [];
  const plan = planRevisions({
    objectUid: profile.uid,
    generation: profile.generation,
    ...wantedOf(profile),
    revisions: parts.revisionsOf(profile.uid),
  });
  const owned = changesForce(plan.action) ? namesOwnedByOthers(parts.claimant(profile), parts.claimants()) : [];
  if (owned.length === 0) await act(plan.action, profile, parts, signal);
  for (const revision of plan.remove) await removeOld(revision, parts, signal);
  return owned;
}

function wantedOf({ verdict }: ProfileView): Pick<Parameters<typeof planRevisions>[0], 'wanted' | 'podRule'> {
  if (verdict.kind === 'refused') return { wanted: undefined };
  return { wanted: verdict.hash, ...(verdict.podRule === undefined ? {} : { podRule: verdict.podRule }) };
}

/** Whether another revision will be in force. What is in force already is judged no more: agents tell owners apart. */
function changesForce(action: RevisionAction): boolean {
  if (action.kind === 'bump') return action.sequence !== action.revision.sequence;
  return action.kind === 'publish';
}

async function act(
  action: RevisionAction,
  profile: ProfileView,
  parts: RevisionParts,
  signal: AbortSignal,
): Promise<void> {
  switch (action.kind) {
    case 'none':
      return;
    case 'publish': {
      const trial = parts.trialState(profile);
      if (trial === undefined) parts.startTrial(profile.name);
      if (trial?.kind !== 'passed') return;
      const accepted = await parts.read(profile, signal);
      if (accepted === undefined) return;
      await store(revisionObject(accepted.content, parts.namespace, action.sequence, action.podRule), parts, signal);
      announcePublished(
        profile,
        accepted.hash,
        accepted.warnings.map(({ message }) => message),
        parts,
      );
      return;
    }
    // Its content was published before, so it did compile.
    case 'bump': {
      const { revision, sequence, podRule } = action;
      await putMetadata(
        revision.name,
        revision.uid,
        revisionMetadata(profile, revision.hash, sequence, podRule),
        sequence,
        parts,
        signal,
      );
      if (sequence !== revision.sequence) announcePublished(profile, revision.hash, [], parts);
      return;
    }
  }
}

async function store(revision: ControllerRevision, parts: RevisionParts, signal: AbortSignal): Promise<void> {
  try {
    await parts.client.create(CONTROLLER_REVISIONS, revision, { signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await takeUp(revision, parts, signal);
  }
}

/**
 * There is a ControllerRevision of that name which the cache does not know under this object: just created, or somebody
 * took its labels away. Its data cannot have been changed, the API server forbids that; one with other data is not ours.
 */
async function takeUp(wanted: ControllerRevision, parts: RevisionParts, signal: AbortSignal): Promise<void> {
  const key = { namespace: parts.namespace, name: wanted.metadata.name };
  const found = await parts.client.get<ControllerRevision>(CONTROLLER_REVISIONS, key, { signal });
  const uid = found.metadata.uid ?? '';
  if (canonicalJson(found.data) === canonicalJson(wanted.data)) {
    const { labels = {}, annotations = {}, ownerReferences = [] } = wanted.metadata;
    await putMetadata(key.name, uid, { labels, annotations, ownerReferences }, wanted.revision, parts, signal);
    return;
  }
  parts.logger.warn('a ControllerRevision of this name holds something else and is replaced', { revision: key.name });
  await parts.client.delete(CONTROLLER_REVISIONS, key, { uid, signal });
  await parts.client.create(CONTROLLER_REVISIONS, wanted, { signal });
}

async function putMetadata(
  name: string,
  uid: string,
  metadata: ReturnType<typeof revisionMetadata>,
  sequence: number,
  parts: RevisionParts,
  signal: AbortSignal,
): Promise<void> {
  const key = { namespace: parts.namespace, name };
  await parts.client.mergePatch(
    CONTROLLER_REVISIONS,
    key,
    // Null takes away the rule of a spec.pods that there was.
    {
      metadata: { uid, ...metadata, annotations: { [POD_RULE_ANNOTATION]: null, ...metadata.annotations } },
      revision: sequence,
    },
    { signal },
  );
}

/** Only as the cache saw it: one whose sequence was raised meanwhile is in force and stays. */
async function removeOld(revision: RevisionView, parts: RevisionParts, signal: AbortSignal): Promise<void> {
  const { name, uid, resourceVersion } = revision;
  try {
    await parts.client.delete(
      CONTROLLER_REVISIONS,
      { namespace: parts.namespace, name },
      { uid, resourceVersion, signal },
    );
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

function announcePublished(
  profile: ProfileView,
  hash: string,
  warnings: readonly string[],
  parts: RevisionParts,
): void {
  const names = profile.verdict.kind === 'accepted' ? profile.verdict.profiles.join(', ') : '';
  const warned = warnings.length === 0 ? '' : `; warnings: ${warnings.join('; ')}`;
  parts.logger.info('published a revision', { object: profile.name, revision: hash, generation: profile.generation });
  parts.announce(profile, {
    type: 'Normal',
    reason: EVENT_REASON.published,
    action: 'Publish',
    note: `revision ${hash} of generation ${profile.generation} is published to the nodes; it defines ${names}${warned}`,
  });
}
