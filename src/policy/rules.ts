import { modeOf, type Fault, type PolicyReview, type ReviewInput, type Rule, type Subject } from './finding.ts';
import { MOST_TEXT_BYTES } from './error-rules.ts';
import { RULES } from './rule-table.ts';
import { scanPolicy, type PolicyScan } from './scan.ts';

export type { Finding, PolicyReview, ProfileMode, ReviewInput } from './finding.ts';
export { MOST_TEXT_BYTES } from './error-rules.ts';
export { RULES } from './rule-table.ts';

/** Applies every rule that needs the text alone. The text is refused if, and only if, a finding has severity `error`. */
export function reviewPolicy(input: ReviewInput): PolicyReview {
  const tooLarge = Buffer.byteLength(input.text) > MOST_TEXT_BYTES;
  const scan = tooLarge ? NOTHING_SCANNED : scanPolicy(input.text);
  const subject: Subject = { ...input, scan, tooLarge };
  return {
    profiles: scan.profiles.filter(({ parent }) => parent === undefined).map(({ name }) => name),
    allProfiles: scan.profiles.map((profile) => ({ name: profile.name, mode: modeOf(profile, input.mode) })),
    hasIncludes: scan.includes.length > 0,
    findings: RULES.flatMap((rule) =>
      firstFaults(rule, subject).map((fault) => ({ rule: rule.id, severity: rule.severity, ...fault })),
    ),
  };
}

/** A generated text may break one rule ten thousand times; nobody reads more than the first few. */
const MOST_FINDINGS_PER_RULE = 20;

function firstFaults(rule: Rule, subject: Subject): readonly Fault[] {
  const faults: Fault[] = [];
  for (const fault of rule.check(subject)) {
    if (faults.push(fault) === MOST_FINDINGS_PER_RULE) break;
  }
  return faults;
}

const NOTHING_SCANNED: PolicyScan = { profiles: [], includes: [], abis: [], variables: [], problems: [] };
