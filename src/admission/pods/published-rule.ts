import { ANNOTATION, LABEL } from '../../api/names.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { Labels, LabelSelector } from './label-selector.ts';
import type { PodRule } from './rule.ts';

/**
 * On the ControllerRevision of an object with spec.pods: the rule, as JSON of PublishedRule. There and not in the revision's
 * data, since agents do not need it and a change of it is no new revision for them; and not read from the AppArmorProfile,
 * so that the rule that was accepted last stays in force together with its revision when a later spec is refused.
 */
export const POD_RULE_ANNOTATION = 'apparmor-operator.dev/pod-rule';

/** What the other annotations of the revision do not say. */
export type PublishedRule = Pick<
  PodRule,
  'profile' | 'priority' | 'namespaceSelector' | 'selector' | 'containers' | 'nodeSelector' | 'since'
> & { creationTimestamp: string };

/** The rule of spec.pods before it is published. */
export type WantedRule = Omit<PublishedRule, 'since'>;

/** The annotation's value. A rule that says what the published one says keeps its `since`, else it begins with `generation`. */
export function publishedRuleText(wanted: WantedRule, published: string | undefined, generation: number): string {
  const before = published === undefined ? undefined : readPublishedRule(published);
  const since = before !== undefined && sameRule(wanted, before) ? before.since : generation;
  return canonicalJson({ ...wanted, since } satisfies PublishedRule);
}

/** The rule on a revision; undefined if it has none or one that is not of this operator's making. */
export function ruleOnRevision(metadata: {
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
}): PodRule | undefined {
  const { labels = {}, annotations = {} } = metadata;
  const text = annotations[POD_RULE_ANNOTATION];
  const published = text === undefined ? undefined : readPublishedRule(text);
  const name = annotations[ANNOTATION.object];
  const uid = labels[LABEL.objectUid];
  const revision = annotations[ANNOTATION.revisionHash];
  if (published === undefined || name === undefined || uid === undefined || revision === undefined) return undefined;
  const { creationTimestamp, ...rule } = published;
  return { object: { name, uid, creationTimestamp }, revision, ...rule };
}

function readPublishedRule(text: string): PublishedRule | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isPublishedRule(value) ? value : undefined;
}

function sameRule(wanted: WantedRule, published: PublishedRule): boolean {
  return canonicalJson({ ...wanted, since: published.since }) === canonicalJson(published);
}

/** Only this operator writes it: the selectors were reviewed, and are taken as they are. */
function isPublishedRule(value: unknown): value is PublishedRule {
  if (typeof value !== 'object' || value === null) return false;
  const rule = value as Partial<Record<keyof PublishedRule, unknown>>;
  return (
    typeof rule.profile === 'string' &&
    Number.isSafeInteger(rule.priority) &&
    Number.isSafeInteger(rule.since) &&
    typeof rule.creationTimestamp === 'string' &&
    (rule.containers === undefined || Array.isArray(rule.containers)) &&
    isSelector(rule.namespaceSelector) &&
    isSelector(rule.selector) &&
    isSelector(rule.nodeSelector)
  );
}

function isSelector(value: unknown): value is LabelSelector | Labels | undefined {
  return value === undefined || (typeof value === 'object' && value !== null);
}
