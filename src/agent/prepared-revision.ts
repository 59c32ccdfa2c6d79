import { createHash } from 'node:crypto';
import { reviewPolicy, type PolicyReview } from '../policy/rules.ts';
import { policyFor, selectsNode } from '../api/revision.ts';
import type { RevisionContent } from '../api/revision.ts';
import type { CurrentRevision } from './current-revisions.ts';
import type { Failure } from './failure.ts';
import { rootsOf } from './ledger.ts';
import type { LivingObject } from './ownership.ts';
import type { Revision, RevisionHead } from './revision-content.ts';

/** A revision without its texts: what decisions need. The texts stay in the state folder until they are compiled. */
export interface PreparedRevision extends RevisionHead {
  creationTimestamp: string;
  /** Top-level names that every text defines. */
  profiles: readonly string[];
  mode?: 'Enforce' | 'Complain';
  nodeSelector?: Readonly<Record<string, string>>;
  conflictPolicy: 'Refuse' | 'Replace';
  /** In the order in which they are matched; the last has no selector. */
  texts: readonly PreparedText[];
}

export interface PreparedText {
  nodeSelector?: Readonly<Record<string, string>>;
  /** Hex SHA-256 of the text. */
  sha256: string;
  /** Every name that the text defines, children included. */
  names: readonly string[];
  /** Included files may define further children. */
  hasIncludes: boolean;
  /** Why it must not be compiled. */
  refusal?: Failure;
}

/** A policy that this node should hold. */
export interface WantedPolicy {
  object: { uid: string; name: string; creationTimestamp: string };
  revision: string;
  /** Name of the ControllerRevision. */
  text: string;
  profiles: readonly string[];
  names: readonly string[];
  hasIncludes: boolean;
  mode?: 'Enforce' | 'Complain';
  conflictPolicy: 'Refuse' | 'Replace';
  /** Hash of text, mode and environment: equal fingerprints compile to equal bytes. */
  fingerprint: string;
  environment: string;
  refusal?: Failure;
}

export function prepareRevision({ content, ...head }: Revision): PreparedRevision {
  const { mode, nodeSelector } = content;
  const texts = [...(content.variants ?? []), { policy: content.policy }];
  return {
    ...head,
    creationTimestamp: content.object.creationTimestamp,
    profiles: content.profiles,
    conflictPolicy: content.conflictPolicy,
    ...(mode === undefined ? {} : { mode }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    texts: texts.map((text) => ({
      ...('nodeSelector' in text ? { nodeSelector: text.nodeSelector } : {}),
      ...prepareText(text.policy, content),
    })),
  };
}

/** The policies whose selector means this node, each with the text for it. */
export function wantedPolicies(
  revisions: Iterable<PreparedRevision>,
  labels: Readonly<Record<string, string>>,
  environment: string,
): readonly WantedPolicy[] {
  const wanted: WantedPolicy[] = [];
  for (const revision of revisions) {
    if (!selectsNode(revision.nodeSelector, labels)) continue;
    const text = revision.texts.find(({ nodeSelector }) => selectsNode(nodeSelector, labels));
    if (text === undefined) continue;
    wanted.push({
      object: { uid: revision.objectUid, name: revision.object, creationTimestamp: revision.creationTimestamp },
      revision: revision.hash,
      text: revision.name,
      profiles: revision.profiles,
      names: text.names,
      hasIncludes: text.hasIncludes,
      conflictPolicy: revision.conflictPolicy,
      fingerprint: fingerprintOf(text.sha256, revision.mode, environment),
      environment,
      ...(revision.mode === undefined ? {} : { mode: revision.mode }),
      ...(text.refusal === undefined ? {} : { refusal: text.refusal }),
    });
  }
  return wanted;
}

/** Every object that exists, with what it defines where its text is here. */
export function livingObjects(
  current: Iterable<CurrentRevision<RevisionHead>>,
  prepared: Iterable<PreparedRevision>,
): ReadonlyMap<string, LivingObject> {
  const living = new Map<string, LivingObject>();
  for (const { newest } of current) living.set(newest.objectUid, { uid: newest.objectUid, name: newest.object });
  for (const { objectUid: uid, object: name, profiles } of prepared) {
    living.set(uid, { uid, name, profiles: new Set(rootsOf(profiles)) });
  }
  return living;
}

/** The text that `wantedPolicies` chose; undefined if the choice would be another by now. */
export function textOf(
  content: RevisionContent,
  labels: Readonly<Record<string, string>>,
  { fingerprint, environment }: Pick<WantedPolicy, 'fingerprint' | 'environment'>,
): string | undefined {
  const text = policyFor(content, labels);
  return fingerprintOf(sha256(text), content.mode, environment) === fingerprint ? text : undefined;
}

function fingerprintOf(text: string, mode: 'Enforce' | 'Complain' | undefined, environment: string): string {
  return sha256(`${environment}\n${mode ?? ''}\n${text}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function prepareText(text: string, content: RevisionContent): PreparedText {
  const { mode } = content;
  // The agent does not know `allowHostAttachment`; that rule is the controller's alone.
  const review = reviewPolicy({ text, allowHostAttachment: true, ...(mode === undefined ? {} : { mode }) });
  const refusal = refusalOf(review, content);
  return {
    sha256: sha256(text),
    names: review.allProfiles.map(({ name }) => name),
    hasIncludes: review.hasIncludes,
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** The controller reviews before it publishes, so this refuses only revisions that were made by hand or by another version. */
function refusalOf(review: PolicyReview, content: RevisionContent): Failure | undefined {
  const error = review.findings.find(({ severity }) => severity === 'error');
  if (error !== undefined) {
    const line = error.position?.line;
    return {
      reason: 'PolicyRefused',
      message: `${error.message} (${error.rule}); ${error.remedy}`,
      ...(line === undefined ? {} : { line }),
    };
  }
  const [expected, defined] = [content.profiles, review.profiles].map((names) => [...names].sort().join(', '));
  if (expected === defined) return undefined;
  return {
    reason: 'NameMismatch',
    message: `the revision is for the profiles ${expected}, its text defines ${defined}`,
  };
}
