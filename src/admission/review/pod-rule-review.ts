import type { AppArmorProfile, AppArmorProfileSpecPods } from '../../api/generated/index.ts';
import { canonicalSelector } from '../pods/label-selector.ts';
import type { WantedRule } from '../pods/published-rule.ts';
import { selectorProblems } from '../pods/selector-problems.ts';
import { objectFinding, type TextFinding } from './finding.ts';

/** spec.pods as it is to be published, or what is wrong with it. */
export interface PodRuleReview {
  /** Absent with spec.pods, or where a finding is an error. */
  rule?: WantedRule;
  findings: readonly TextFinding[];
}

/** Both selectors together: so many rules fit into the webhook configurations, and the rule into the revision's annotations. */
const MOST_SELECTOR_BYTES = 16 * 1024;

/** Reviews spec.pods of an object whose texts define these profiles. */
export function reviewPodRule({ metadata, spec }: AppArmorProfile, profiles: readonly string[]): PodRuleReview {
  const { pods } = spec;
  if (pods === undefined) return { findings: [] };
  const { namespaceSelector, selector, containers } = pods;
  const chosen = chooseProfile(pods, profiles);
  const findings = [
    ...selectorFindings(pods),
    ...nodeSelectorFindings(spec.nodeSelector),
    ...(typeof chosen === 'string' ? [] : [chosen]),
  ];
  if (findings.length > 0 || typeof chosen !== 'string') return { findings };
  return {
    rule: {
      profile: chosen,
      priority: pods.priority ?? 0,
      creationTimestamp: metadata.creationTimestamp,
      ...(namespaceSelector === undefined ? {} : { namespaceSelector: canonicalSelector(namespaceSelector) }),
      ...(selector === undefined ? {} : { selector: canonicalSelector(selector) }),
      ...(containers === undefined ? {} : { containers: [...new Set(containers)].sort() }),
      ...(Object.keys(spec.nodeSelector ?? {}).length === 0 ? {} : { nodeSelector: { ...spec.nodeSelector } }),
    },
    findings,
  };
}

function selectorFindings({ namespaceSelector, selector }: AppArmorProfileSpecPods): TextFinding[] {
  if (namespaceSelector === undefined && selector === undefined) {
    return [
      objectFinding('pods-selector-missing', {
        field: 'pods',
        message: 'neither selector nor namespaceSelector is given',
        remedy: 'give one of them; an explicit empty selector, {}, means every pod or every namespace',
      }),
    ];
  }
  const problems = [
    ...selectorProblems(namespaceSelector ?? {}, 'pods.namespaceSelector'),
    ...selectorProblems(selector ?? {}, 'pods.selector'),
  ];
  const bytes = Buffer.byteLength(JSON.stringify([namespaceSelector, selector]));
  return [
    ...problems.map(({ path, message }) =>
      objectFinding('pods-selector-invalid', {
        field: path,
        message,
        remedy: 'write the selector as Kubernetes labels and selectors are written',
      }),
    ),
    ...(bytes <= MOST_SELECTOR_BYTES
      ? []
      : [
          objectFinding('pods-selectors-too-large', {
            field: 'pods',
            message: `the selectors have ${bytes} bytes; at most ${MOST_SELECTOR_BYTES} are accepted`,
            remedy: 'select by a label that the pods or namespaces get for this purpose',
          }),
        ]),
  ];
}

/** The pods get it as node affinity, in which the API server takes only what can be a label. */
function nodeSelectorFindings(matchLabels: Readonly<Record<string, string>> = {}): TextFinding[] {
  return selectorProblems({ matchLabels }, '').map(({ path, message }) =>
    objectFinding('pods-selector-invalid', {
      field: path.replace(/^\.matchLabels/, 'nodeSelector'),
      message,
      remedy: 'write it as labels of nodes are written',
    }),
  );
}

function chooseProfile({ profile }: AppArmorProfileSpecPods, profiles: readonly string[]): string | TextFinding {
  const [only, ...others] = profiles;
  if (profile !== undefined) {
    if (profiles.includes(profile)) return profile;
    return objectFinding('pods-profile-unknown', {
      field: 'pods.profile',
      message: `the policy does not define ${JSON.stringify(profile)}; it defines ${profiles.join(', ') || 'none'}`,
      remedy: 'name one that it defines',
    });
  }
  if (only !== undefined && others.length === 0) return only;
  return objectFinding('pods-profile-unknown', {
    field: 'pods.profile',
    message: `the policy defines ${profiles.length === 0 ? 'no profile' : `several profiles: ${profiles.join(', ')}`}`,
    remedy: 'name the one that the containers get',
  });
}
