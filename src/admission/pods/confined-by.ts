import { isRecord } from '../../api/json.ts';
import type { PodContainer, PodSubject } from './pod-subject.ts';
import { APPARMOR_ANNOTATION, type ContainerDecision, type PodRule } from './rule.ts';

/**
 * Our annotation on pods: which objects gave which containers their profile, for people and for `kubectl`. It is a note: no
 * pod gets or keeps a profile by it, since a pod's author can write it, too. What counts pods reads it to tell what an earlier
 * rule gave from what the author chose.
 */
export const CONFINED_BY_ANNOTATION = 'apparmor-operator.dev/confined-by';

/** By name of the AppArmorProfile; `revision` is the one published when the pod was created. */
export type ConfinedBy = Record<string, { revision: string; containers: string[] }>;

/**
 * The annotation's value: JSON of ConfinedBy. What an earlier round of admission noted stays for a container whose field and
 * annotation still are what that object's rule gives; all else in the former value is dropped. 100 containers of 63
 * characters, each by another object, make 38 KB of the 256 KB that annotations may have.
 */
export function confinedByText(
  pod: PodSubject,
  decisions: readonly ContainerDecision[],
  rules: readonly PodRule[],
): string {
  const noted = readConfinedBy(pod.annotations[CONFINED_BY_ANNOTATION]);
  const confinedBy = new Map<string, { revision: string; containers: string[] }>();
  for (const { container, outcome } of decisions) {
    const by =
      outcome.kind === 'confine' || outcome.kind === 'confined'
        ? { object: outcome.rule.object.name, revision: outcome.rule.revision }
        : stillTrue(container, pod, noted, rules);
    if (by === undefined) continue;
    const entry = confinedBy.get(by.object) ?? { revision: by.revision, containers: [] };
    entry.containers.push(container.name);
    confinedBy.set(by.object, entry);
  }
  return JSON.stringify(Object.fromEntries(confinedBy));
}

/** Undefined where there is none that this operator could have written. */
export function readConfinedBy(text: string | undefined): ConfinedBy | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isConfinedBy(value) ? value : undefined;
}

function stillTrue(
  container: PodContainer,
  pod: PodSubject,
  noted: ConfinedBy | undefined,
  rules: readonly PodRule[],
): { object: string; revision: string } | undefined {
  const [object, entry] =
    Object.entries(noted ?? {}).find(([, { containers }]) => containers.includes(container.name)) ?? [];
  if (object === undefined || entry === undefined) return undefined;
  const { profile } = container;
  if (profile?.type !== 'Localhost') return undefined;
  if (pod.annotations[APPARMOR_ANNOTATION + container.name] !== `localhost/${profile.localhostProfile}`)
    return undefined;
  const gives = rules.some((rule) => rule.object.name === object && rule.profile === profile.localhostProfile);
  return gives ? { object, revision: entry.revision } : undefined;
}

function isConfinedBy(value: unknown): value is ConfinedBy {
  if (!isRecord(value)) return false;
  return Object.values(value).every(
    (entry) =>
      isRecord(entry) &&
      typeof entry['revision'] === 'string' &&
      Array.isArray(entry['containers']) &&
      entry['containers'].every((name) => typeof name === 'string'),
  );
}
