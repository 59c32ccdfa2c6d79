import { createHash } from 'node:crypto';
import { isRecord } from '../api/json.ts';

/** What a file of the state folder holds; part of the file, so that two swapped files are noticed. */
export type StateFileKind = 'ledger' | 'last-known' | 'revision';

/** Changes when an older agent could misread the body. */
const FORMAT_VERSION = 1;

/** A file of the state folder that is not what it should be. It is never trusted, in no part. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError';
}

/** The file's text: the body, with what is needed to tell that it is whole, of this kind and of this node. */
export function encodeStateFile(kind: StateFileKind, node: string, body: object): string {
  const text = JSON.stringify(body);
  return `{"format":"apparmor-operator/${kind}","version":${FORMAT_VERSION},"node":${JSON.stringify(node)},"sha256":"${sha256(text)}"${BEFORE_BODY}${text}${AFTER_BODY}`;
}

/** Nothing before it can contain it, as a quote within the node's name is escaped. */
const BEFORE_BODY = ',"body":';
const AFTER_BODY = '}\n';

/** The body that `encodeStateFile` was given. Throws StateFileError for anything else. */
export function decodeStateFile(kind: StateFileKind, node: string, text: string): object {
  const file = parse(text);
  if (file['format'] !== `apparmor-operator/${kind}`) throw new StateFileError(`it is not a ${kind} file`);
  if (file['version'] !== FORMAT_VERSION) {
    throw new StateFileError(`its version is ${JSON.stringify(file['version'])}, this agent reads ${FORMAT_VERSION}`);
  }
  if (file['node'] !== node) throw new StateFileError(`it was written on node ${JSON.stringify(file['node'])}`);
  const body = file['body'];
  if (!isRecord(body)) throw new StateFileError('it has no body');
  // Of the bytes as they are: with members sorted, here and when it is written, it was a fifth of what 500 policies at once took an agent.
  const bytes = text.slice(text.indexOf(BEFORE_BODY) + BEFORE_BODY.length, -AFTER_BODY.length);
  if (sha256(bytes) !== file['sha256']) throw new StateFileError('its checksum does not fit');
  return body;
}

function parse(text: string): Record<string, unknown> {
  try {
    const file: unknown = JSON.parse(text);
    if (isRecord(file)) return file;
  } catch (error) {
    throw new StateFileError('it is not JSON', { cause: error });
  }
  throw new StateFileError('it is not a JSON object');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
