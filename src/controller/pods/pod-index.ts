import { rootOf } from '../../kernel/profile-name.ts';
import type { PodView } from './pod-view.ts';

/** The cached pods by node and by the profile that they name, so that nobody looks through all pods. */
export interface PodIndex {
  changed(key: string, now: PodView | undefined, before: PodView | undefined): void;
  /** Keys of the pods on the node that name the profile, one of its children, or a stack with it; in no order. */
  naming(nodeName: string, profile: string): readonly string[];
}

export function createPodIndex(): PodIndex {
  const byNode = new Map<string, Map<string, Set<string>>>();

  function remove(key: string, pod: PodView): void {
    const byProfile = byNode.get(pod.nodeName);
    for (const root of rootsOf(pod.shape.profiles)) {
      const keys = byProfile?.get(root);
      keys?.delete(key);
      if (keys?.size === 0) byProfile?.delete(root);
    }
    if (byProfile?.size === 0) byNode.delete(pod.nodeName);
  }

  function add(key: string, pod: PodView): void {
    const byProfile = byNode.get(pod.nodeName) ?? new Map<string, Set<string>>();
    byNode.set(pod.nodeName, byProfile);
    for (const root of rootsOf(pod.shape.profiles)) byProfile.set(root, (byProfile.get(root) ?? new Set()).add(key));
  }

  return {
    changed(key, now, before) {
      if (before !== undefined) remove(key, before);
      if (now !== undefined) add(key, now);
    },
    naming: (nodeName, profile) => [...(byNode.get(nodeName)?.get(rootOf(profile)) ?? [])],
  };
}

/** A child lives and goes with its parent, and a stack `a//&b` needs both. */
function rootsOf(profiles: readonly string[]): ReadonlySet<string> {
  return new Set(profiles.flatMap((name) => name.split('//&')).map(rootOf));
}
