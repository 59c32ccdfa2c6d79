import type { AppArmorProfile, AppArmorProfileSpec } from '../../api/generated/index.ts';
import { revisionHash, type RevisionContent } from '../../api/revision.ts';
import { MOST_TEXT_BYTES, reviewPolicy } from '../../policy/rules.ts';
import type { WantedRule } from '../pods/published-rule.ts';
import { objectFinding, type TextFinding } from './finding.ts';
import { reviewPodRule } from './pod-rule-review.ts';

export { findingText, objectFinding, type TextFinding } from './finding.ts';

/** What the review says of an object: the revision to publish, or why there is none. */
export type Verdict = Accepted | Refused;

export interface Accepted {
  kind: 'accepted';
  content: RevisionContent;
  hash: string;
  warnings: readonly TextFinding[];
  /** Of spec.pods. */
  podRule?: WantedRule;
}

export interface Refused {
  kind: 'refused';
  /** At least one; errors alone. */
  errors: readonly TextFinding[];
  warnings: readonly TextFinding[];
}

/**
 * Applies the rules of src/policy to every text of the object, and those that concern more than one text. Pure: the same
 * object gives the same verdict, so that every replica and every restart publishes the same revision.
 */
export function judge(object: AppArmorProfile): Verdict {
  const { spec } = object;
  const texts = policyTexts(spec);
  const size = texts.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  // A CEL rule of the CRD says the same; what slips past it is refused here.
  if (size > MOST_TEXT_BYTES) return { kind: 'refused', errors: [tooLarge(size)], warnings: [] };

  const reviewed = texts.map(({ field, text }) => reviewText(field, text, spec));
  const profiles = reviewed[0]?.profiles ?? [];
  const podRule = reviewPodRule(object, profiles);
  const findings = [
    ...podRule.findings,
    ...reviewed.flatMap((text) => text.findings),
    ...reviewed.slice(1).flatMap((text) => otherNames(text.field, text.profiles, profiles)),
    ...largeForClientSideApply(object, size),
  ];
  const errors = findings.filter(({ severity }) => severity === 'error');
  const warnings = findings.filter(({ severity }) => severity === 'warning');
  if (errors.length > 0) return { kind: 'refused', errors, warnings };

  const content = contentOf(object, profiles);
  const { rule } = podRule;
  return {
    kind: 'accepted',
    content,
    hash: revisionHash(content),
    warnings,
    ...(rule === undefined ? {} : { podRule: rule }),
  };
}

/** Every text of an object, or of its revision, with the field that holds it. */
export function policyTexts({
  policy,
  variants = [],
}: Pick<AppArmorProfileSpec, 'policy' | 'variants'>): { field: string; text: string }[] {
  return [
    { field: 'policy', text: policy },
    ...variants.map((variant, index) => ({ field: `variants[${index}].policy`, text: variant.policy })),
  ];
}

function reviewText(
  field: string,
  text: string,
  spec: AppArmorProfileSpec,
): { field: string; profiles: readonly string[]; findings: TextFinding[] } {
  const review = reviewPolicy({
    text,
    allowHostAttachment: spec.allowHostAttachment ?? false,
    ...(spec.mode === undefined ? {} : { mode: spec.mode }),
  });
  return { field, profiles: review.profiles, findings: review.findings.map((finding) => ({ ...finding, field })) };
}

function contentOf(object: AppArmorProfile, profiles: readonly string[]): RevisionContent {
  const { metadata, spec } = object;
  return {
    object: { name: metadata.name, uid: metadata.uid, creationTimestamp: metadata.creationTimestamp },
    policy: spec.policy,
    profiles: [...profiles],
    conflictPolicy: spec.conflictPolicy ?? 'Refuse',
    ...(spec.mode === undefined ? {} : { mode: spec.mode }),
    ...(Object.keys(spec.nodeSelector ?? {}).length === 0 ? {} : { nodeSelector: { ...spec.nodeSelector } }),
    ...((spec.variants ?? []).length === 0
      ? {}
      : {
          variants: (spec.variants ?? []).map(({ nodeSelector, policy }) => ({
            nodeSelector: { ...nodeSelector },
            policy,
          })),
        }),
  };
}

/** A pod names its profile without knowing the node, so every text must define the same names. */
function otherNames(field: string, names: readonly string[], expected: readonly string[]): TextFinding[] {
  const missing = expected.filter((name) => !names.includes(name));
  const added = names.filter((name) => !expected.includes(name));
  if (missing.length === 0 && added.length === 0) return [];
  const difference = [
    ...(missing.length === 0 ? [] : [`does not define ${missing.join(', ')}`]),
    ...(added.length === 0 ? [] : [`defines ${added.join(', ')} besides`]),
  ].join(' and ');
  return [
    objectFinding('variant-names', {
      field,
      message: `this text ${difference}; policy defines ${expected.join(', ')}`,
      remedy: 'let policy and every variant define profiles of the same names',
    }),
  ];
}

function tooLarge(bytes: number): TextFinding {
  return objectFinding('texts-too-large', {
    field: 'policy',
    message: `all texts together have ${bytes} bytes; at most ${MOST_TEXT_BYTES} are accepted`,
    remedy: 'split the profiles over several AppArmorProfiles',
  });
}

/** Of all annotations of an object together the API server takes 256 KiB; the copy there is JSON, with its escapes. */
const LARGE_BYTES = 200 * 1024;

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Not said of what was applied server-side and carries no copy of itself. */
function largeForClientSideApply({ metadata }: AppArmorProfile, bytes: number): TextFinding[] {
  if (bytes <= LARGE_BYTES) return [];
  const copied = metadata.annotations?.[LAST_APPLIED] !== undefined;
  const serverSide = (metadata.managedFields ?? []).some(
    ({ operation, subresource }) => operation === 'Apply' && (subresource ?? '') === '',
  );
  if (serverSide && !copied) return [];
  return [
    objectFinding('large-for-client-side-apply', {
      field: 'policy',
      message: `the texts have ${Math.round(bytes / 1024)} KiB, and plain kubectl apply fails near 250`,
      remedy: 'use kubectl apply --server-side',
    }),
  ];
}
