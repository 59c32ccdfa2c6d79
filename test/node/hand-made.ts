import { randomUUID } from 'node:crypto';
import type { RevisionContent } from '../../src/api/revision.ts';
import { revisionObject } from '../../src/controller/revisions/revision-object.ts';
import { CONTROLLER_REVISIONS } from '../../src/kube/resource.ts';
import { client } from './fixture.ts';

const NAMESPACE = 'apparmor-operator';

export interface HandMadeObject {
  /** Publishes a text in the controller's place, past every review, as the current revision. */
  publish(policy: string): Promise<void>;
  /** Deletes what was published. */
  remove(): Promise<void>;
}

/** Stands in for an AppArmorProfile, to show what agents make of a policy that no review would let through. */
export function handMadeObject(name: string, profiles: readonly string[]): HandMadeObject {
  const object = { name, uid: randomUUID(), creationTimestamp: new Date().toISOString() };
  const made: string[] = [];
  return {
    async publish(policy) {
      const content: RevisionContent = { object, policy, profiles: [...profiles], conflictPolicy: 'Refuse' };
      const { metadata, ...rest } = revisionObject(content, NAMESPACE, made.length + 1);
      // Without its owner: there is none, and the garbage collector would take it away.
      const { ownerReferences: _, ...withoutOwner } = metadata;
      await client().create(CONTROLLER_REVISIONS, { metadata: withoutOwner, ...rest });
      made.push(metadata.name);
    },
    async remove() {
      for (const revision of made)
        await client().delete(CONTROLLER_REVISIONS, { namespace: NAMESPACE, name: revision });
    },
  };
}
