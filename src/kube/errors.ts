export interface KubeErrorOptions {
  /** HTTP status; 0 if there was no HTTP answer (network, timeout, oversized or unreadable answer). */
  status: number;
  /** `reason` of the API server's Status, or one of ours where there was none: see `KubeFailure`. */
  reason: string;
  message: string;
  /** What the server asked for in Retry-After or Status.details. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** Reasons of errors that the API server did not name itself. */
export type KubeFailure = 'ConnectionFailed' | 'Timeout' | 'ResponseTooLarge' | 'InvalidResponse';

/** Any failure of a request to the API server, except the caller's own abort. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds?: number;

  constructor(options: KubeErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status;
    this.reason = options.reason;
    if (options.retryAfterSeconds !== undefined) this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The object, its namespace, or the whole kind does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404;
}

/** The object changed since it was read, or a field belongs to another field manager. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason !== 'AlreadyExists';
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists';
}

/** The resourceVersion or continue token is older than what the server remembers. */
export function isGone(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone');
}

/** Refused by schema, CEL rule or admission: the same request fails again. */
export function isInvalid(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 422 || error.status === 400);
}

export function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}

/** The error of an answer that is not 2xx: the Status in the body if it is one, else the status line. */
export function errorOfAnswer(
  request: string,
  status: number,
  body: string,
  retryAfter: string | undefined,
): KubeError {
  const parsed = parseStatus(body);
  const seconds = retryAfterOf(retryAfter) ?? parsed?.details?.retryAfterSeconds;
  return new KubeError({
    status,
    reason: parsed?.reason ?? `Http${status}`,
    message: `${request}: ${parsed?.message ?? (body.trim().slice(0, 200) || `HTTP status ${status}`)}`,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  });
}

/** The error that a Status object stands for, as it comes inside a watch. */
export function errorOfStatus(request: string, status: Status): KubeError {
  const seconds = status.details?.retryAfterSeconds;
  return new KubeError({
    status: status.code ?? 500,
    reason: status.reason ?? 'Unknown',
    message: `${request}: ${status.message ?? status.reason ?? 'error without a message'}`,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  });
}

/** `meta/v1` Status, as far as it is read here. */
export interface Status {
  message?: string;
  reason?: string;
  code?: number;
  details?: { retryAfterSeconds?: number };
}

function parseStatus(body: string): Status | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isObject(parsed) && parsed['kind'] === 'Status') return parsed;
  } catch {
    // A proxy's or the Go server's own plain text, such as `404 page not found`.
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object';
}

/** Only the form in seconds: the API server never sends the date form. */
function retryAfterOf(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header)) return undefined;
  return Number(header);
}
