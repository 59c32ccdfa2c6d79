import type { OwnedName } from '../../admission/review/name-owners.ts';
import type { TextFinding } from '../../admission/review/verdict.ts';

/** What the controller's own review says of a spec that the rules about texts accept, before its revision is published. */
export type ReviewState =
  /** On trial. `slow`: it needed longer than a first try has, and has its 60 s of CPU now. */
  | { kind: 'compiling'; slow: boolean; sinceMs: number }
  | { kind: 'passed' }
  /** It does not compile. */
  | { kind: 'refused'; errors: readonly TextFinding[] }
  /** Another object owns a name of it, on nodes that both may select. */
  | { kind: 'conflict'; owned: readonly OwnedName[] }
  /** There is no parser here; tried again. */
  | { kind: 'unavailable'; message: string };
