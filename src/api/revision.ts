import { createHash } from 'node:crypto';

/**
 * What an agent needs of an AppArmorProfile, and nothing else: the `data` of a ControllerRevision.
 * The object's uid is part of it, so a re-created object is a different revision.
 */
export interface RevisionContent {
  object: {
    name: string;
    uid: string;
    /** RFC 3339; of two objects that define the same name the older owns it, then the smaller uid. */
    creationTimestamp: string;
  };
  policy: string;
  /** Names of the top-level profiles that every text of the object defines. */
  profiles: string[];
  mode?: 'Enforce' | 'Complain';
  /** Absent or empty: every node. */
  nodeSelector?: Record<string, string>;
  variants?: RevisionVariant[];
  conflictPolicy: 'Refuse' | 'Replace';
}

export interface RevisionVariant {
  nodeSelector: Record<string, string>;
  policy: string;
}

/** Hex digits of a revision's short hash: 48 bits, and only revisions of one object are ever compared. */
const HASH_LENGTH = 12;

/** Kubernetes names end at 253 characters; the hash and its hyphen need 13 of them. */
const MAX_OBJECT_NAME_PART = 253 - HASH_LENGTH - 1;

/** The short hash that names a revision in ControllerRevisions, AppArmorNode rows and `status.revision`. */
export function revisionHash(content: RevisionContent): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex').slice(0, HASH_LENGTH);
}

/** Name of the ControllerRevision that holds a revision. */
export function revisionName(objectName: string, hash: string): string {
  return `${objectName.slice(0, MAX_OBJECT_NAME_PART).replace(/[-.]+$/, '')}-${hash}`;
}

/** Whether a node with these labels is one that the selector means; an absent or empty selector means every node. */
export function selectsNode(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
}

/** The text that a node with these labels loads: the first variant that matches, else the policy. */
export function policyFor(
  content: Pick<RevisionContent, 'policy' | 'variants'>,
  labels: Readonly<Record<string, string>>,
): string {
  const variant = content.variants?.find(({ nodeSelector }) => selectsNode(nodeSelector, labels));
  return variant?.policy ?? content.policy;
}

/** JSON with sorted keys and without undefined members: equal contents have equal bytes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (member === null || typeof member !== 'object' || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}
