import { APPARMOR_NODE } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import { apiVersionOf, collectionPath } from '../../kube/resource.ts';
import type { Transport } from '../../kube/transport.ts';
import type { JsonPatchOperation } from '../admission-review.ts';
import { proofName } from './entries.ts';
import { labelsSelectedBy } from './label-selector.ts';
import type { RuleGroup } from './rule-book.ts';

/** Whether pods that are created from now on get what the rules of a group say. */
export type Proof =
  | { kind: 'in-force' }
  /** The selector contradicts itself: it selects no pod, and nothing can be asked. */
  | { kind: 'selects-nothing' }
  | { kind: 'not-in-force'; message: string };

/** On the object that is asked with: `id/version` of the entry that answered. */
export const IN_FORCE_ANNOTATION = 'apparmor-operator.dev/in-force';

/**
 * Asks the API server by creating, as a dry run, an AppArmorNode that the group's entry takes for its own. The answer has
 * our annotation only if the API server has taken up this version of the entry, reaches a replica of ours that knows these
 * rules, and applies its patch. With several API servers it speaks of the one that was asked; the others follow by their
 * own watch. Throws the signal's reason if that aborts.
 */
export async function proveInForce(
  group: RuleGroup,
  transport: Pick<Transport, 'request'>,
  signal: AbortSignal,
): Promise<Proof> {
  const labels = labelsSelectedBy(group.selectors.selector);
  if (labels === undefined) return { kind: 'selects-nothing' };
  const metadata = { name: proofName(group), labels };
  try {
    const { body } = await transport.request({
      method: 'POST',
      path: collectionPath(APPARMOR_NODE),
      query: { dryRun: 'All' },
      body: { apiVersion: apiVersionOf(APPARMOR_NODE), kind: APPARMOR_NODE.kind, metadata },
      signal,
    });
    if (annotationsOf(body)?.[IN_FORCE_ANNOTATION] === proofText(group)) return { kind: 'in-force' };
    return { kind: 'not-in-force', message: 'the API server has not taken up the webhook configuration yet' };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return { kind: 'not-in-force', message: error.message };
  }
}

/** What the handler adds to the object that is asked with. */
export function proofPatch(object: unknown, entry: Pick<RuleGroup, 'id' | 'version'>): JsonPatchOperation[] {
  const annotations = { ...annotationsOf(object), [IN_FORCE_ANNOTATION]: proofText(entry) };
  return [{ op: 'add', path: '/metadata/annotations', value: annotations }];
}

function proofText({ id, version }: Pick<RuleGroup, 'id' | 'version'>): string {
  return `${id}/${version}`;
}

function annotationsOf(object: unknown): Record<string, string> | undefined {
  return (object as { metadata?: { annotations?: Record<string, string> } } | undefined)?.metadata?.annotations;
}
