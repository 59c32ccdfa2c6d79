import type { JsonPatchOperation } from '../admission-review.ts';
import { CONFINED_BY_ANNOTATION, confinedByText } from './confined-by.ts';
import type { PodContainer, PodSubject } from './pod-subject.ts';
import { APPARMOR_ANNOTATION, type PodDecision, type PodRule } from './rule.ts';

/**
 * The JSON Patch that carries a decision out: for each container to be confined the field and the annotation, in agreement,
 * and our note. Old kubelets read the annotation, and the API server makes the field anew from it where a webhook built on
 * old types dropped that. Empty where nothing is to be done, so that a second round of admission changes nothing.
 */
export function patchFor(pod: PodSubject, decision: PodDecision, rules: readonly PodRule[]): JsonPatchOperation[] {
  if (decision.kind !== 'decided') return [];
  const confine = decision.containers.flatMap(({ container, outcome }) =>
    outcome.kind === 'confine' ? [{ container, profile: outcome.rule.profile }] : [],
  );
  if (confine.length === 0) return [];
  const annotations = {
    ...Object.fromEntries(
      confine.map(({ container, profile }) => [APPARMOR_ANNOTATION + container.name, `localhost/${profile}`]),
    ),
    [CONFINED_BY_ANNOTATION]: confinedByText(pod, decision.containers, rules),
  };
  return [
    ...annotationOperations(pod, annotations),
    ...confine.map(({ container, profile }) => fieldOperation(container, profile)),
  ];
}

function fieldOperation(container: PodContainer, localhostProfile: string): JsonPatchOperation {
  const path = `/spec/${container.list}/${container.index}/securityContext`;
  const appArmorProfile = { type: 'Localhost', localhostProfile };
  return container.hasSecurityContext
    ? { op: 'add', path: `${path}/appArmorProfile`, value: appArmorProfile }
    : { op: 'add', path, value: { appArmorProfile } };
}

function annotationOperations(pod: PodSubject, annotations: Record<string, string>): JsonPatchOperation[] {
  const path = '/metadata/annotations';
  if (!pod.hasAnnotations) return [{ op: 'add', path, value: annotations }];
  return Object.entries(annotations)
    .filter(([key, value]) => pod.annotations[key] !== value)
    .map(([key, value]) => ({ op: 'add', path: `${path}/${escaped(key)}`, value }));
}

/** A reference token of RFC 6901. */
function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
