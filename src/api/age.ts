/** What tells the age of an object of the API server. */
export interface Aged {
  uid: string;
  /** RFC 3339. */
  creationTimestamp: string;
}

/** The older first, then the smaller uid: the order in which objects own names and win pods. */
export function compareAge(left: Aged, right: Aged): number {
  const age = Date.parse(left.creationTimestamp) - Date.parse(right.creationTimestamp);
  if (age !== 0) return age;
  if (left.uid === right.uid) return 0;
  return left.uid < right.uid ? -1 : 1;
}
