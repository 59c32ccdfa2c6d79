import type { Finding } from '../../policy/rules.ts';
import { severityOf, type ObjectRuleId } from './object-rules.ts';

export interface TextFinding extends Finding {
  /** The spec's field that it is about, as `policy`, `variants[0].policy` or `pods.selector.matchLabels["a"]`. */
  field: string;
}

/** One finding in one line: where, what, which rule, and what to do. */
export function findingText(finding: TextFinding): string {
  return `${placedMessage(finding)} (rule ${finding.rule}); ${finding.remedy}`;
}

/** The message with the place that it is about in front. */
export function placedMessage({ field, position, message }: TextFinding): string {
  const where = [
    ...(field === 'policy' ? [] : [field]),
    ...(position === undefined ? [] : [`line ${position.line}`]),
  ].join(', ');
  return where === '' ? message : `${where}: ${message}`;
}

/** A finding of a rule of this table, with the severity that stands there. */
export function objectFinding(rule: ObjectRuleId, finding: Omit<TextFinding, 'rule' | 'severity'>): TextFinding {
  return { rule, severity: severityOf(rule), ...finding };
}
