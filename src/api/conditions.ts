/** A condition in the form that Kubernetes and kstatus know. */
export interface Condition {
  type: ConditionType;
  status: ConditionStatus;
  observedGeneration: number;
  /** RFC 3339, whole seconds as Kubernetes writes it. */
  lastTransitionTime: string;
  /** One word of src/api/reasons.ts. */
  reason: string;
  message: string;
}

export type ConditionType = 'Ready' | 'Reconciling' | 'Stalled' | 'PodsConfined';
export type ConditionStatus = 'True' | 'False' | 'Unknown';

/** What a reconcile wants said; times are kept by `transition`. */
export type WantedCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** The members of a stored condition that matter here; a stored one may have been written by an older version. */
export interface StoredCondition {
  type: string;
  status: string;
  lastTransitionTime: string;
  observedGeneration?: number;
  reason?: string;
  message?: string;
}

/** The CRD's limit is 32,768; what does not fit into this many characters nobody reads in a terminal. */
const LONGEST_MESSAGE = 1024;

/**
 * The conditions to store. `lastTransitionTime` moves only when the status of that type changes: neither a new reason,
 * message nor generation moves it. Types that are not wanted any more are gone.
 */
export function transition(
  stored: readonly StoredCondition[],
  wanted: readonly WantedCondition[],
  observedGeneration: number,
  now: Date,
): Condition[] {
  return wanted.map((condition) => {
    const before = stored.find(({ type }) => type === condition.type);
    return {
      type: condition.type,
      status: condition.status,
      observedGeneration,
      lastTransitionTime: before?.status === condition.status ? before.lastTransitionTime : timestamp(now),
      reason: condition.reason,
      message: shorten(condition.message, LONGEST_MESSAGE),
    };
  });
}

/** The condition of a type, if it is there. */
export function findCondition(
  conditions: readonly StoredCondition[] | undefined,
  type: ConditionType,
): StoredCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** A time as the API server stores it: RFC 3339 without fractions of a second. */
export function timestamp(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Cuts at a whole character and says so with an ellipsis. */
export function shorten(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const end = longest - 1;
  const splitsPair = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return `${text.slice(0, splitsPair ? end - 1 : end)}…`;
}
