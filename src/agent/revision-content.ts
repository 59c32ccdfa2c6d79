import { ANNOTATION, LABEL } from '../api/names.ts';
import { revisionHash, revisionName } from '../api/revision.ts';
import type { RevisionContent, RevisionVariant } from '../api/revision.ts';
import { isRecord } from '../api/json.ts';

/** What the metadata of a ControllerRevision says; the watch carries no more. */
export interface RevisionHead {
  /** Name of the ControllerRevision. */
  name: string;
  objectUid: string;
  /** Name of the AppArmorProfile. */
  object: string;
  hash: string;
  sequence: number;
}

/** A revision with its texts. */
export interface Revision extends RevisionHead {
  content: RevisionContent;
}

/** A ControllerRevision that no controller of ours can have written. */
export class RevisionInvalidError extends Error {
  override readonly name = 'RevisionInvalidError';
}

interface Metadata {
  name?: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
}

/** Throws RevisionInvalidError if a label or annotation is missing or no number. */
export function readHead(metadata: Metadata): RevisionHead {
  const { name = '', labels = {}, annotations = {} } = metadata;
  const required = (value: string | undefined, what: string): string => {
    if (value === undefined || value === '')
      throw new RevisionInvalidError(`ControllerRevision ${name} has no ${what}`);
    return value;
  };
  const sequence = required(annotations[ANNOTATION.sequence], ANNOTATION.sequence);
  if (!/^\d{1,15}$/.test(sequence)) {
    throw new RevisionInvalidError(`ControllerRevision ${name}: ${ANNOTATION.sequence} is not a number: ${sequence}`);
  }
  return {
    name: required(name, 'name'),
    objectUid: required(labels[LABEL.objectUid], LABEL.objectUid),
    object: required(annotations[ANNOTATION.object], ANNOTATION.object),
    hash: required(annotations[ANNOTATION.revisionHash], ANNOTATION.revisionHash),
    sequence: Number(sequence),
  };
}

/**
 * The content of a ControllerRevision's `data`, checked against its head: the hash is computed again, so neither a damaged
 * file nor an edited annotation passes. Throws RevisionInvalidError.
 */
export function readContent(head: RevisionHead, data: unknown): RevisionContent {
  if (!isContent(data))
    throw new RevisionInvalidError(`ControllerRevision ${head.name}: its data has not the form of a revision`);
  const hash = revisionHash(data);
  if (hash !== head.hash) {
    throw new RevisionInvalidError(`ControllerRevision ${head.name}: its data has the hash ${hash}, not ${head.hash}`);
  }
  if (data.object.uid !== head.objectUid || data.object.name !== head.object) {
    throw new RevisionInvalidError(
      `ControllerRevision ${head.name}: its data is of another object, ${data.object.name}`,
    );
  }
  if (head.name !== revisionName(head.object, hash)) {
    throw new RevisionInvalidError(
      `ControllerRevision ${head.name} should be named ${revisionName(head.object, hash)}`,
    );
  }
  return data;
}

function isContent(data: unknown): data is RevisionContent {
  if (!isRecord(data)) return false;
  const { object, policy, profiles, mode, nodeSelector, variants, conflictPolicy } = data;
  return (
    isRecord(object) &&
    [object['name'], object['uid'], object['creationTimestamp'], policy].every((text) => typeof text === 'string') &&
    Array.isArray(profiles) &&
    profiles.every((name) => typeof name === 'string') &&
    (mode === undefined || mode === 'Enforce' || mode === 'Complain') &&
    (nodeSelector === undefined || isSelector(nodeSelector)) &&
    (variants === undefined || (Array.isArray(variants) && variants.every(isVariant))) &&
    (conflictPolicy === 'Refuse' || conflictPolicy === 'Replace')
  );
}

function isVariant(value: unknown): value is RevisionVariant {
  return isRecord(value) && isSelector(value['nodeSelector']) && typeof value['policy'] === 'string';
}

function isSelector(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((label) => typeof label === 'string');
}
