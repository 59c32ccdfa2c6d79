import type { CacheListeners } from './caches.ts';
import type { AgentPresence } from './nodes/agent-presence.ts';
import { changedNames } from './nodes/row-view.ts';
import type { ProfileView } from './profiles/profile-view.ts';
import type { Queues } from './queues.ts';
import type { RevisionIndex } from './revisions/revision-index.ts';

export interface ListenerParts {
  queues: Pick<Queues, 'add'>;
  presence: Pick<AgentPresence, 'podChanged' | 'nodeGone'>;
  index: Pick<RevisionIndex, 'changed'>;
  profiles(): readonly ProfileView[];
  everyStatus(): void;
  /** An object is gone: what is remembered of it may go, too. */
  forget(name: string): void;
}

/** Which change in the cluster makes what to be looked at again. */
export function listenersOf(parts: ListenerParts): CacheListeners {
  const { queues } = parts;
  return {
    profiles(name, now, before) {
      if (now === undefined) {
        parts.forget(name);
        return;
      }
      if (before?.uid !== now.uid || before.generation !== now.generation) queues.add('revisions', name);
      queues.add('status', name);
    },
    revisions(key, now, before) {
      parts.index.changed(key, now, before);
      const uids = new Set([now?.objectUid, before?.objectUid]);
      for (const { name, uid } of parts.profiles()) {
        if (!uids.has(uid)) continue;
        queues.add('revisions', name);
        queues.add('status', name);
      }
    },
    nodes(name, now) {
      if (now === undefined) parts.presence.nodeGone(name);
      queues.add('nodes', name);
      parts.everyStatus();
    },
    rows(name, now, before) {
      queues.add('nodes', name);
      const changed = changedNames(now, before);
      if (changed === 'all') {
        parts.everyStatus();
        return;
      }
      if (changed.size === 0) return;
      for (const profile of parts.profiles()) {
        if (concerns(profile, changed)) queues.add('status', profile.name);
      }
    },
    pods(key, now, before) {
      parts.presence.podChanged(key, now, before);
      const node = (now ?? before)?.nodeName;
      if (node !== undefined) queues.add('nodes', node);
    },
    daemonSets() {
      queues.add('daemonset', '');
    },
  };
}

/** Names of objects and of profiles are told apart by nobody here: one too many costs a look that changes nothing. */
function concerns({ name, verdict, status }: ProfileView, changed: ReadonlySet<string>): boolean {
  if (changed.has(name)) return true;
  const wanted = verdict.kind === 'accepted' ? verdict.profiles : [];
  return [...wanted, ...(status?.profiles ?? [])].some((profile) => changed.has(profile));
}
