import { selectsNode } from '../../api/revision.ts';
import type { NodeView } from '../nodes/node-view.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import type { RevisionView } from '../revisions/revision-view.ts';

/** An AppArmorProfile that exists, with the revision that nodes should hold. */
export interface LivingObject {
  profile: ProfileView;
  inForce: RevisionView | undefined;
}

/**
 * Why the profile, which was loaded for an object of that name, is wanted on the node; undefined if no living object wants it
 * there. One that is being deleted lives. What is accepted and not yet published counts on every node, and so does a
 * re-created object whose text nobody can read: it may be meant to go on where the old one ended.
 */
export function wantedBy(
  { profile, object }: { profile: string; object: string },
  node: NodeView,
  objects: Iterable<LivingObject>,
): string | undefined {
  for (const { profile: view, inForce } of objects) {
    if (inForce?.profiles.includes(profile) === true && selectsNode(inForce.nodeSelector, node.labels)) {
      return `AppArmorProfile ${view.name} defines it`;
    }
    switch (view.verdict.kind) {
      case 'accepted':
        if (view.verdict.hash !== inForce?.hash && view.verdict.profiles.includes(profile)) {
          return `AppArmorProfile ${view.name} defines it and is about to be published`;
        }
        break;
      case 'refused':
        if (inForce === undefined && view.name === object) return `AppArmorProfile ${object} is refused`;
        break;
    }
  }
  return undefined;
}
