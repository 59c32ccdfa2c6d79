import type { PolicyScan, Position, ScannedProfile } from './scan.ts';

/** As the kernel's `mode` file prints it. */
export type ProfileMode = 'enforce' | 'complain' | 'kill' | 'unconfined' | 'user' | 'mixed';

export interface Finding {
  /** Id of the rule in the table of rules. */
  rule: string;
  severity: 'error' | 'warning';
  message: string;
  /** What to do next. */
  remedy: string;
  position?: Position;
  /** The profile it is about, by its kernel name. */
  profile?: string;
}

export interface ReviewInput {
  text: string;
  /** `spec.mode`; absent: as the text says. */
  mode?: 'Enforce' | 'Complain';
  allowHostAttachment: boolean;
}

export interface PolicyReview {
  /** Top-level names, in the order of the text. */
  profiles: readonly string[];
  /** With children and hats, and the mode that each will have in the kernel. */
  allProfiles: readonly { name: string; mode: ProfileMode }[];
  /** What is included may define further children: `abstractions/ubuntu-helpers` has one. */
  hasIncludes: boolean;
  findings: readonly Finding[];
}

/** What the rules look at. */
export interface Subject extends ReviewInput {
  scan: PolicyScan;
  /** Then nothing was scanned. */
  tooLarge: boolean;
}

export type Fault = Omit<Finding, 'rule' | 'severity'>;

export interface Rule {
  id: string;
  severity: 'error' | 'warning';
  /** Why the rule exists, for the documentation. */
  reason: string;
  check(subject: Subject): Iterable<Fault>;
}

/** The parser's --Complain goes over every flag; `default_allow` is compiled to unconfined and `prompt` shown as user. */
export function modeOf(profile: ScannedProfile, mode: ReviewInput['mode']): ProfileMode {
  if (mode === 'Complain' || profile.flags.includes('complain')) return 'complain';
  if (profile.flags.includes('kill')) return 'kill';
  if (profile.flags.includes('unconfined') || profile.flags.includes('default_allow')) return 'unconfined';
  return profile.flags.includes('prompt') ? 'user' : 'enforce';
}
