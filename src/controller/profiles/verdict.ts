import type { AppArmorProfile, AppArmorProfileSpec } from '../../api/generated/index.ts';
import { revisionHash, type RevisionContent } from '../../api/revision.ts';
import { reviewPolicy, type Finding } from '../../policy/rules.ts';

/** What the review says of an object: the revision to publish, or why there is none. */
export type Verdict = Accepted | Refused;

export interface Accepted {
  kind: 'accepted';
  content: RevisionContent;
  hash: string;
  warnings: readonly TextFinding[];
}

export interface Refused {
  kind: 'refused';
  /** At least one; errors alone. */
  errors: readonly TextFinding[];
}

export interface TextFinding extends Finding {
  /** The spec's field that holds the text, as `policy` or `variants[0].policy`. */
  field: string;
}

/** Of all texts of one object together: etcd ends at 1.5 MB per object, and the revision has them, too. */
const MOST_BYTES = 512 * 1024;

/**
 * Applies the rules of src/policy to every text of the object, and those that concern more than one text. Pure: the same
 * object gives the same verdict, so that every replica and every restart publishes the same revision.
 */
export function judge(object: AppArmorProfile): Verdict {
  const { spec } = object;
  const texts = [
    { field: 'policy', policy: spec.policy },
    ...(spec.variants ?? []).map(({ policy }, index) => ({ field: `variants[${index}].policy`, policy })),
  ];
  const size = texts.reduce((sum, { policy }) => sum + Buffer.byteLength(policy), 0);
  // A CEL rule of the CRD says the same; what slips past it is refused here.
  if (size > MOST_BYTES) return { kind: 'refused', errors: [tooLarge(size)] };

  const reviewed = texts.map(({ field, policy }) => reviewText(field, policy, spec));
  const profiles = reviewed[0]?.profiles ?? [];
  const findings = [
    ...(spec.pods === undefined ? [] : [PODS_NOT_SUPPORTED]),
    ...reviewed.flatMap((text) => text.findings),
    ...reviewed.slice(1).flatMap((text) => otherNames(text.field, text.profiles, profiles)),
  ];
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) return { kind: 'refused', errors };

  const content = contentOf(object, profiles);
  return { kind: 'accepted', content, hash: revisionHash(content), warnings: findings };
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

/** One finding in one line: where, what, which rule, and what to do. */
export function findingText({ field, position, message, rule, remedy }: TextFinding): string {
  const where = [
    ...(field === 'policy' ? [] : [field]),
    ...(position === undefined ? [] : [`line ${position.line}`]),
  ].join(', ');
  return `${where === '' ? '' : `${where}: `}${message} (rule ${rule}); ${remedy}`;
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
    {
      rule: 'variant-names',
      severity: 'error',
      field,
      message: `this text ${difference}; policy defines ${expected.join(', ')}`,
      remedy: 'let policy and every variant define profiles of the same names',
    },
  ];
}

function tooLarge(bytes: number): TextFinding {
  return {
    rule: 'texts-too-large',
    severity: 'error',
    field: 'policy',
    message: `all texts together have ${bytes} bytes; at most ${MOST_BYTES} are accepted`,
    remedy: 'split the profiles over several AppArmorProfiles',
  };
}

/** Accepted, it would leave the pods unconfined. */
const PODS_NOT_SUPPORTED: TextFinding = {
  rule: 'pods-not-supported',
  severity: 'error',
  field: 'pods',
  message: 'spec.pods does not work in this version of the operator: matching pods would run unconfined',
  remedy: "remove it, and name the profile in the pod's securityContext.appArmorProfile (type Localhost)",
};
