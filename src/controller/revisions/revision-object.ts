import { POD_RULE_ANNOTATION } from '../../admission/pods/published-rule.ts';
import { APPARMOR_PROFILE } from '../../api/resources.ts';
import { ANNOTATION, LABEL } from '../../api/names.ts';
import { revisionHash, revisionName, type RevisionContent } from '../../api/revision.ts';
import { apiVersionOf } from '../../kube/resource.ts';
import type { ControllerRevision } from './revision-view.ts';

/** The ControllerRevision that publishes a content; `podRule` is the text of its annotation. */
export function revisionObject(
  content: RevisionContent,
  namespace: string,
  sequence: number,
  podRule?: string,
): ControllerRevision {
  const hash = revisionHash(content);
  return {
    metadata: {
      name: revisionName(content.object.name, hash),
      namespace,
      ...revisionMetadata(content.object, hash, sequence, podRule),
    },
    data: content,
    revision: sequence,
  };
}

/**
 * Labels, annotations and owner. The owner is cluster-scoped, so the garbage collector removes the revisions with it, and
 * `blockOwnerDeletion: false` needs no right on its finalizers.
 */
export function revisionMetadata(
  object: { name: string; uid: string },
  hash: string,
  sequence: number,
  podRule?: string,
): Required<Pick<ControllerRevision['metadata'], 'labels' | 'annotations' | 'ownerReferences'>> {
  return {
    labels: {
      [LABEL.revision]: 'true',
      [LABEL.objectUid]: object.uid,
      [LABEL.managedBy]: 'apparmor-operator',
    },
    annotations: {
      [ANNOTATION.object]: object.name,
      [ANNOTATION.revisionHash]: hash,
      [ANNOTATION.sequence]: String(sequence),
      ...(podRule === undefined ? {} : { [POD_RULE_ANNOTATION]: podRule }),
    },
    ownerReferences: [
      {
        apiVersion: apiVersionOf(APPARMOR_PROFILE),
        kind: APPARMOR_PROFILE.kind,
        name: object.name,
        uid: object.uid,
        controller: true,
        blockOwnerDeletion: false,
      },
    ],
  };
}
