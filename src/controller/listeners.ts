import type { Announce } from './announce.ts';
import type { CacheListeners } from './caches.ts';
import type { AgentPresence } from './nodes/agent-presence.ts';
import { driftEvents } from './nodes/drift-events.ts';
import { changedNames } from './nodes/row-view.ts';
import type { MatchedPods } from './pods/matched-pods.ts';
import type { PodIndex } from './pods/pod-index.ts';
import { sameClaim, type ProfileView } from './profiles/profile-view.ts';
import type { Queues } from './queues.ts';
import { concernsUnload } from './unload/plan-unload.ts';

export interface ListenerParts {
  queues: Pick<Queues, 'add'>;
  presence: Pick<AgentPresence, 'podChanged' | 'nodeGone'>;
  podIndex: Pick<PodIndex, 'changed'>;
  matchedPods: Pick<MatchedPods, 'podChanged'>;
  announce: Announce;
  profiles(): readonly ProfileView[];
  everyStatus(): void;
  /** Every node that holds what nobody wants. */
  everyUnload(): void;
  /** Every group of rules whose entry is in this webhook configuration. */
  everyProof(configuration: string): void;
  /** An object is gone: what is remembered of it may go, too. */
  forget(name: string): void;
}

/** Which change in the cluster makes what to be looked at again. */
export function listenersOf(parts: ListenerParts): CacheListeners {
  const { queues } = parts;
  return {
    profiles(name, now, before) {
      if (now === undefined || before === undefined || !sameClaim(now, before)) {
        rejudge(parts, [...namesWanted(now), ...namesWanted(before)], (other) => other.name !== name);
      }
      if (now === undefined) {
        parts.forget(name);
        parts.everyUnload();
        return;
      }
      if (before?.uid !== now.uid || before.generation !== now.generation) {
        queues.add('revisions', name);
        parts.everyUnload();
      }
      queues.add('status', name);
    },
    revisions(_key, now, before) {
      parts.everyUnload();
      const uids = new Set([now?.objectUid, before?.objectUid]);
      for (const { name, uid } of parts.profiles()) {
        if (!uids.has(uid)) continue;
        queues.add('revisions', name);
        queues.add('status', name);
      }
      rejudge(parts, [...(now?.profiles ?? []), ...(before?.profiles ?? [])], ({ uid }) => !uids.has(uid));
    },
    nodes(name, now) {
      if (now === undefined) parts.presence.nodeGone(name);
      queues.add('nodes', name);
      queues.add('unloads', name);
      parts.everyStatus();
    },
    rows(name, now, before) {
      queues.add('nodes', name);
      if ([now, before].some((row) => row !== undefined && concernsUnload(row))) queues.add('unloads', name);
      tellDrift(parts, now, before);
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
    agentPods(key, now, before) {
      parts.presence.podChanged(key, now, before);
      const node = (now ?? before)?.nodeName;
      if (node === undefined) return;
      queues.add('nodes', node);
      queues.add('unloads', node);
    },
    pods(key, now, before) {
      parts.podIndex.changed(key, now, before);
      parts.matchedPods.podChanged(key, now, before);
      if (now?.shape === before?.shape && now?.nodeName === before?.nodeName) return;
      const naming = [now, before].filter((pod) => pod !== undefined && pod.shape.profiles.length > 0);
      for (const node of new Set(naming.map((pod) => pod?.nodeName))) {
        if (node !== undefined) queues.add('unloads', node);
      }
    },
    daemonSets() {
      queues.add('daemonset', '');
    },
    podWebhooks(name) {
      queues.add('webhooks', name);
      queues.add('certificate', '');
      parts.everyProof(name);
    },
    reviewWebhooks(name) {
      queues.add('webhooks', name);
      // The next certificate is served once the API server was told to trust it.
      queues.add('certificate', '');
    },
  };
}

/** Objects that want one of these names may have got an owner of it before them, or lost one. */
function rejudge(parts: ListenerParts, names: readonly string[], isOther: (profile: ProfileView) => boolean): void {
  if (names.length === 0) return;
  const concerned = new Set(names);
  for (const profile of parts.profiles()) {
    if (isOther(profile) && namesWanted(profile).some((name) => concerned.has(name))) {
      parts.queues.add('revisions', profile.name);
    }
  }
}

function namesWanted(profile: ProfileView | undefined): readonly string[] {
  return profile?.verdict.kind === 'accepted' ? profile.verdict.profiles : [];
}

function tellDrift(parts: ListenerParts, ...[now, before]: Parameters<typeof driftEvents>): void {
  for (const { object, announcement } of driftEvents(now, before)) {
    const profile = parts.profiles().find(({ name }) => name === object);
    if (profile !== undefined) parts.announce(profile, announcement);
  }
}

/** Names of objects and of profiles are told apart by nobody here: one too many costs a look that changes nothing. */
function concerns({ name, verdict, status }: ProfileView, changed: ReadonlySet<string>): boolean {
  if (changed.has(name)) return true;
  const wanted = verdict.kind === 'accepted' ? verdict.profiles : [];
  return [...wanted, ...(status?.profiles ?? [])].some((profile) => changed.has(profile));
}
