import { isRecord } from '../api/json.ts';

/** What is to be done to the object. */
const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const;

export type AdmissionOperation = (typeof OPERATIONS)[number];

/** `admission.k8s.io/v1` AdmissionRequest, as the API server sends it. */
export interface AdmissionRequest {
  /** Names this one call; the answer repeats it. */
  uid: string;
  kind: { group: string; version: string; kind: string };
  resource: { group: string; version: string; resource: string };
  subResource?: string;
  /** Absent at CREATE with generateName. */
  name?: string;
  namespace?: string;
  operation: AdmissionOperation;
  userInfo: { username?: string; uid?: string; groups?: string[] };
  /** Absent at DELETE. */
  object?: unknown;
  /** At UPDATE and DELETE. */
  oldObject?: unknown;
  dryRun?: boolean;
  options?: unknown;
}

/** RFC 6902, as far as it is sent. */
export type JsonPatchOperation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: unknown }
  | { op: 'remove'; path: string };

export type AdmissionAnswer =
  | { allowed: true; warnings?: readonly string[]; patch?: readonly JsonPatchOperation[] }
  | {
      allowed: false;
      /** For the user: what, where and what to do. */
      message: string;
      /** HTTP status that the user's request gets; the API server makes it 403 if absent. */
      code?: number;
      /** `meta/v1` Status reason, such as `Invalid`. */
      reason?: string;
      warnings?: readonly string[];
    };

/**
 * Answers one call. What it throws is an HTTP 500, so that the failure policy of the webhook decides; a refusal is an answer.
 * The signal aborts at the time limit and when the API server has gone; nobody waits for the answer then. `path` is the one
 * that was called, without its query.
 */
export type AdmissionHandler = (
  request: AdmissionRequest,
  signal: AbortSignal,
  path: string,
) => Promise<AdmissionAnswer>;

/** A body that is not an AdmissionReview with a request in it; the message says what is wrong. */
export class AdmissionReviewError extends Error {
  override readonly name = 'AdmissionReviewError';
}

const API_VERSION = 'admission.k8s.io/v1';
const KIND = 'AdmissionReview';

/** The request in the body of a call. Throws AdmissionReviewError. */
export function readAdmissionReview(body: string): AdmissionRequest {
  const review = parse(body);
  if (!isRecord(review)) throw new AdmissionReviewError('the body is not a JSON object');
  if (review['kind'] !== KIND || review['apiVersion'] !== API_VERSION) {
    throw new AdmissionReviewError(`the body is not an ${KIND} of ${API_VERSION}`);
  }
  const { request } = review;
  if (!isRecord(request)) throw new AdmissionReviewError(`the ${KIND} has no request`);
  const { uid, operation, userInfo, kind, resource } = request;
  if (typeof uid !== 'string' || uid === '') throw new AdmissionReviewError('request.uid is not a string');
  const known = OPERATIONS.find((each) => each === operation);
  if (known === undefined) throw new AdmissionReviewError(`request.operation is not one of ${OPERATIONS.join(', ')}`);
  if (!hasStrings(kind, ['group', 'version', 'kind'])) {
    throw new AdmissionReviewError('request.kind has not the strings group, version and kind');
  }
  if (!hasStrings(resource, ['group', 'version', 'resource'])) {
    throw new AdmissionReviewError('request.resource has not the strings group, version and resource');
  }
  for (const key of ['name', 'namespace', 'subResource'] as const) {
    if (!isAbsent(request[key]) && typeof request[key] !== 'string') {
      throw new AdmissionReviewError(`request.${key} is not a string`);
    }
  }
  if (!isAbsent(request['dryRun']) && typeof request['dryRun'] !== 'boolean') {
    throw new AdmissionReviewError('request.dryRun is not true or false');
  }
  if (!isAbsent(userInfo) && !isRecord(userInfo)) throw new AdmissionReviewError('request.userInfo is not an object');
  return {
    uid,
    operation: known,
    kind,
    resource,
    userInfo: isAbsent(userInfo) ? {} : userInfo,
    ...present(request, ['name', 'namespace', 'subResource', 'object', 'oldObject', 'dryRun', 'options']),
  };
}

/** The body of an answer. */
export function writeAdmissionReview(uid: string, answer: AdmissionAnswer): string {
  const { warnings = [] } = answer;
  return JSON.stringify({
    apiVersion: API_VERSION,
    kind: KIND,
    response: {
      uid,
      allowed: answer.allowed,
      ...(warnings.length === 0 ? {} : { warnings }),
      ...(answer.allowed ? patchOf(answer.patch ?? []) : { status: statusOf(answer) }),
    },
  });
}

function patchOf(patch: readonly JsonPatchOperation[]): object {
  if (patch.length === 0) return {};
  return { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
}

function statusOf({ message, code, reason }: Extract<AdmissionAnswer, { allowed: false }>): object {
  return {
    status: 'Failure',
    message,
    ...(code === undefined ? {} : { code }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new AdmissionReviewError('the body is not JSON', { cause });
  }
}

/** The members that are there; JSON's null, which the API server sends for an object that there is not, is none. */
function present<K extends keyof AdmissionRequest>(
  request: Record<string, unknown>,
  keys: readonly K[],
): Partial<Pick<AdmissionRequest, K>> {
  return Object.fromEntries(keys.map((key) => [key, request[key]]).filter(([, value]) => !isAbsent(value))) as Partial<
    Pick<AdmissionRequest, K>
  >;
}

function hasStrings<K extends string>(value: unknown, keys: readonly K[]): value is Record<K, string> {
  return isRecord(value) && keys.every((key) => typeof value[key] === 'string');
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}
