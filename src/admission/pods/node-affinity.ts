import { isRecord } from '../../api/json.ts';
import { LABEL } from '../../api/names.ts';
import type { JsonPatchOperation } from '../admission-review.ts';
import { NotAPodError, type PodSubject } from './pod-subject.ts';
import type { PodDecision } from './rule.ts';

/**
 * The JSON Patch that keeps a confined pod off nodes where it could only fail: required node affinity to the labels of the
 * nodes that load its profiles and, where some node cannot enforce, to those that can. Where every node would do, nothing.
 *
 * Every term that the pod has gets it, as terms are alternatives; an empty term selects no node, and stays as it is. A
 * pod that is bound to a node already gets nothing: the scheduler does not see it, and its kubelet would refuse it for the
 * affinity instead of for the reason. `object` is the v1 Pod that `pod` was read from; throws NotAPodError as readPod does.
 */
export function placementPatch(
  object: unknown,
  pod: PodSubject,
  decision: PodDecision,
  someNodeCannotEnforce: boolean,
): JsonPatchOperation[] {
  const labels = labelsNeeded(decision, someNodeCannotEnforce).filter(
    ([key, value]) => pod.nodeSelector[key] !== value,
  );
  if (labels.length === 0) return [];
  const spec = member(object, 'spec') ?? {};
  if ((spec['nodeName'] ?? '') !== '') return [];
  return affinityOperations(
    spec,
    labels.map(([key, value]) => ({ key, operator: 'In', values: [value] })),
  );
}

/** core/v1 NodeSelectorRequirement. */
interface Requirement {
  key: string;
  operator: 'In';
  values: [string];
}

/** Sorted, each pair once. Two objects whose selectors contradict each other leave no node: both profiles are nowhere. */
function labelsNeeded(decision: PodDecision, someNodeCannotEnforce: boolean): [string, string][] {
  if (decision.kind !== 'decided') return [];
  const rules = decision.containers.flatMap(({ outcome }) =>
    outcome.kind === 'confine' || outcome.kind === 'confined' ? [outcome.rule] : [],
  );
  if (rules.length === 0) return [];
  const pairs: [string, string][] = [
    ...rules.flatMap(({ nodeSelector }) => Object.entries(nodeSelector ?? {})),
    ...(someNodeCannotEnforce ? [[LABEL.enforcing, 'true'] as [string, string]] : []),
  ];
  const byText = new Map(pairs.map((pair) => [JSON.stringify(pair), pair]));
  return [...byText].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, pair]) => pair);
}

const AFFINITY = '/spec/affinity';
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

/** Adds the innermost member that is missing, so that all the rest of the pod stays byte for byte. */
function affinityOperations(spec: Record<string, unknown>, requirements: readonly Requirement[]): JsonPatchOperation[] {
  const required = { nodeSelectorTerms: [{ matchExpressions: requirements }] };
  const affinity = member(spec, 'affinity');
  if (affinity === undefined) {
    return [{ op: 'add', path: AFFINITY, value: { nodeAffinity: { [REQUIRED]: required } } }];
  }
  const nodeAffinity = member(affinity, 'nodeAffinity');
  if (nodeAffinity === undefined) {
    return [{ op: 'add', path: `${AFFINITY}/nodeAffinity`, value: { [REQUIRED]: required } }];
  }
  const path = `${AFFINITY}/nodeAffinity/${REQUIRED}`;
  const present = member(nodeAffinity, REQUIRED);
  if (present === undefined) return [{ op: 'add', path, value: required }];
  // Without terms the API server refuses the pod: that must not become one that it takes.
  return list(present, 'nodeSelectorTerms').flatMap((term, index) =>
    termOperations(term, `${path}/nodeSelectorTerms/${index}/matchExpressions`, requirements),
  );
}

function termOperations(term: unknown, path: string, requirements: readonly Requirement[]): JsonPatchOperation[] {
  if (!isRecord(term)) throw new NotAPodError(`${path} has a parent that is not an object`);
  const expressions = list(term, 'matchExpressions');
  if (expressions.length === 0) {
    if (list(term, 'matchFields').length === 0) return [];
    return [{ op: 'add', path, value: requirements }];
  }
  const present = new Set(expressions.map(formOf));
  return requirements
    .filter((requirement) => !present.has(formOf(requirement)))
    .map((value) => ({ op: 'add', path: `${path}/-`, value }));
}

function formOf(requirement: unknown): string {
  if (!isRecord(requirement)) return '';
  return JSON.stringify([requirement['key'], requirement['operator'], requirement['values']]);
}

function member(parent: unknown, name: string): Record<string, unknown> | undefined {
  const value = isRecord(parent) ? parent[name] : undefined;
  if (value === undefined || value === null) return undefined;
  if (isRecord(value)) return value;
  throw new NotAPodError(`${name} is not an object`);
}

function list(parent: Record<string, unknown>, name: string): readonly unknown[] {
  const value = parent[name] ?? [];
  if (!Array.isArray(value)) throw new NotAPodError(`${name} is not a list`);
  return value;
}
