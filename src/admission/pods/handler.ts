import { APPARMOR_NODE } from '../../api/resources.ts';
import type { Clock } from '../../kube/clock.ts';
import type { AdmissionAnswer, AdmissionHandler, AdmissionRequest } from '../admission-review.ts';
import { proofName, readEntryPath } from './entries.ts';
import { type Labels, selectsLabels } from './label-selector.ts';
import { placementPatch } from './node-affinity.ts';
import { patchFor } from './patch.ts';
import { readPod } from './pod-subject.ts';
import { proofPatch } from './probe.ts';
import { decide } from './rule.ts';
import type { RuleBook } from './rule-book.ts';

export interface PodHandlerParts {
  /** The operator's own namespace, whose pods are never touched. */
  ownNamespace: string;
  /** All rules, as this process knows them. */
  book: Pick<RuleBook, 'rules' | 'group' | 'knows' | 'onChange'>;
  /** Labels of a namespace, from a cache that may be behind; undefined: not in there. */
  cachedLabels(namespace: string): Labels | undefined;
  /** From the API server. */
  readLabels(namespace: string, signal: AbortSignal): Promise<Labels>;
  /** How long a call waits for a rule that the API server knows and this process does not yet. */
  waitMs: number;
  /** Whether some node of the cluster is known not to enforce AppArmor; undefined: this process does not know yet. */
  someNodeCannotEnforce(): boolean | undefined;
  clock: Pick<Clock, 'sleep'>;
}

/** A call came that no entry of ours makes, or with something other than a pod. */
export class PodCallError extends Error {
  override readonly name = 'PodCallError';
}

/**
 * Answers the entries' calls. A pod is never let through unconfined because
 * this process does not know enough: where it does not know the rules that the entry asks for it refuses, whatever the
 * failure policy, and who creates pods tries again. Throws KubeError if the namespace cannot be read.
 */
export function createPodHandler(parts: PodHandlerParts): AdmissionHandler {
  return async (request, signal, path) => {
    const entry = readEntryPath(path);
    if (entry === undefined) throw new PodCallError(`${path} is not the path of an entry`);
    if (!(await becomesKnown(entry, parts, signal))) return notYetKnown();
    const { resource, operation, subResource = '' } = request;
    if (operation !== 'CREATE' || subResource !== '') throw new PodCallError(`unexpected: ${operation} ${subResource}`);
    if (resource.resource === APPARMOR_NODE.plural) {
      const own = request.name === proofName(entry);
      return { allowed: true, ...(own ? { patch: proofPatch(request.object, entry) } : {}) };
    }
    if (resource.group !== '' || resource.resource !== 'pods')
      throw new PodCallError(`unexpected: ${resource.resource}`);
    return confine(request, entry.id, parts, signal);
  };
}

async function confine(
  { object, namespace: name }: AdmissionRequest,
  groupId: string,
  parts: PodHandlerParts,
  signal: AbortSignal,
): Promise<AdmissionAnswer> {
  if (name === undefined) throw new PodCallError('a pod without a namespace');
  const someNodeCannotEnforce = parts.someNodeCannotEnforce();
  if (someNodeCannotEnforce === undefined) return notYetKnown();
  const pod = readPod(object);
  const selectors = parts.book.group(groupId)?.selectors;
  const cached = parts.cachedLabels(name);
  // The API server found that the entry's selectors fit. Where the cache says otherwise, one of the two is behind.
  const agrees =
    cached !== undefined && (selectors === undefined || selectsLabels(selectors.namespaceSelector, cached));
  const labels = agrees ? cached : await parts.readLabels(name, signal);
  const rules = parts.book.rules();
  const decision = decide(pod, { name, labels }, rules, parts.ownNamespace);
  return {
    allowed: true,
    patch: [...patchFor(pod, decision, rules), ...placementPatch(object, pod, decision, someNodeCannotEnforce)],
  };
}

/** Waits for the watch, which is behind by milliseconds; a person who creates a pod would see the refusal. */
async function becomesKnown(
  { id, version }: { id: string; version: string },
  { book, clock, waitMs }: PodHandlerParts,
  signal: AbortSignal,
): Promise<boolean> {
  const known = (): boolean => book.knows(id, version) === 'known';
  if (known()) return true;
  const stop = new AbortController();
  const ignore = book.onChange(() => {
    if (known()) stop.abort();
  });
  try {
    await clock.sleep(waitMs, AbortSignal.any([signal, stop.signal]));
    return known();
  } finally {
    ignore();
  }
}

function notYetKnown(): AdmissionAnswer {
  return {
    allowed: false,
    code: 503,
    reason: 'ServiceUnavailable',
    message:
      'an AppArmorProfile means this pod, but this replica of the apparmor-operator does not know that rule yet. Try again in ' +
      'some seconds; if it stays so, ask who runs the apparmor-operator of this cluster',
  };
}
