import { APPARMOR_PROFILE } from '../../api/resources.ts';
import { ANNOTATION, LABEL } from '../../api/names.ts';
import { revisionHash, revisionName, type RevisionContent } from '../../api/revision.ts';
import { apiVersionOf } from '../../kube/resource.ts';
import type { ControllerRevision } from './revision-view.ts';

/** The ControllerRevision that publishes a content. */
export function revisionObject(content: RevisionContent, namespace: string, sequence: number): ControllerRevision {
  const hash = revisionHash(content);
  return {
    metadata: {
      name: revisionName(content.object.name, hash),
      namespace,
      ...revisionMetadata(content.object, hash, sequence),
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
