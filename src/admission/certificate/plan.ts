import { isIP } from 'node:net';
import { MOST_PREVIOUS, type CheckedCertificate, type CertificateState, type StoredCertificate } from './stored.ts';

export type CertificatePlan =
  /** Look again at this time, unless something changes before. */
  | { kind: 'keep'; until: Date }
  /** There is nothing to go on with; `reason` is for the log. */
  | { kind: 'create'; reason: string }
  /**
   * `stage`: make the next certificate, and have its authority trusted. `promote`: serve it, provided that the API server
   * was told to trust it. `retire`: trust the one before no more.
   */
  | { kind: 'rotate'; step: 'stage' | 'promote' | 'retire'; state: CertificateState };

/**
 * How long a new authority is trusted before anything is served under it, and an old one afterwards. Longer than two clocks
 * may be apart, since another replica may take the next step.
 */
export const STAGED_MS = 30 * 60_000;
export const RETIRED_MS = 60 * 60_000;

/** Clocks may be apart by this much; what is dated later than that was dated by hand, or by a clock that was wrong. */
const FUTURE_MS = 10 * 60_000;

/** What to do with the stored certificate, so that one for all these names (DNS names and IP addresses) is always served. */
export function planCertificate(stored: StoredCertificate, now: Date, names: readonly string[]): CertificatePlan {
  if (stored.kind === 'missing') return { kind: 'create', reason: 'there is none' };
  if (stored.kind === 'damaged') return { kind: 'create', reason: stored.reason };
  return planWhole(stored.state, now.getTime(), names);
}

function planWhole(state: CertificateState, now: number, names: readonly string[]): CertificatePlan {
  const { current, next, previous } = state;
  const since = state.since.getTime();
  if (since > now + FUTURE_MS) return { kind: 'create', reason: `it is dated ${state.since.toISOString()}` };
  for (const pair of [current, next]) {
    const fault = pair === undefined ? undefined : faultOf(pair, now, names);
    if (fault !== undefined) return { kind: 'create', reason: fault };
  }
  if (next !== undefined) {
    const due = current === undefined ? since : since + STAGED_MS;
    return due <= now ? { kind: 'rotate', step: 'promote', state } : { kind: 'keep', until: new Date(due) };
  }
  if (previous.length > 0) {
    const due = since + RETIRED_MS;
    return due <= now ? { kind: 'rotate', step: 'retire', state } : { kind: 'keep', until: new Date(due) };
  }
  if (current === undefined) return { kind: 'create', reason: 'it is empty' };
  const due = rotationOf(current);
  return due <= now ? { kind: 'rotate', step: 'stage', state } : { kind: 'keep', until: new Date(due) };
}

/** Certificates are rotated when two thirds of their life are over. */
function rotationOf({ leaf }: CheckedCertificate): number {
  const from = leaf.validFromDate.getTime();
  return from + ((leaf.validToDate.getTime() - from) * 2) / 3;
}

function faultOf({ leaf }: CheckedCertificate, now: number, names: readonly string[]): string | undefined {
  if (leaf.validToDate.getTime() <= now) return `it ended at ${leaf.validToDate.toISOString()}`;
  if (leaf.validFromDate.getTime() > now) return `it begins only at ${leaf.validFromDate.toISOString()}`;
  const missing = names.filter((name) => (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) === undefined);
  return missing.length === 0 ? undefined : `it is not for ${missing.join(', ')}`;
}

/** Where nothing of the stored is used: served at once, or, if the API server trusts other authorities yet, once it trusts this. */
export function created(pair: CheckedCertificate, trusted: readonly string[], since: Date): CertificateState {
  if (trusted.length === 0) return { current: pair, previous: [], since };
  return { next: pair, previous: trusted.slice(0, MOST_PREVIOUS), since };
}

export function staged(state: CertificateState, next: CheckedCertificate, since: Date): CertificateState {
  return { ...state, next, since };
}

export function promoted({ current, next, previous }: CertificateState, since: Date): CertificateState {
  const before = current === undefined ? previous : [current.authority];
  return { ...(next === undefined ? {} : { current: next }), previous: before, since };
}

export function retired({ current }: CertificateState, since: Date): CertificateState {
  return { ...(current === undefined ? {} : { current }), previous: [], since };
}
