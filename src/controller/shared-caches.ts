import type { AppArmorProfile } from '../api/generated/index.ts';
import { LABEL } from '../api/names.ts';
import { APPARMOR_PROFILE } from '../api/resources.ts';
import { CONTROLLER_REVISIONS, NODES, type PartialObject } from '../kube/resource.ts';
import type { WatchCache } from '../kube/watch-cache.ts';
import type { Claimant } from '../admission/review/name-owners.ts';
import { watched, type WatchedKind } from './controller-health.ts';
import type { PodRules } from './pods/pod-rules.ts';
import { startCache, type CacheListeners, type CacheParts } from './caches.ts';
import { claimantOf, viewProfile, type ProfileView } from './profiles/profile-view.ts';
import { createRecentTexts, type RecentTexts } from './revisions/accepted-texts.ts';
import { createRevisionIndex } from './revisions/revision-index.ts';
import {
  revisionInForce,
  viewRevision,
  type ControllerRevision,
  type RevisionView,
} from './revisions/revision-view.ts';

/** What every replica watches, because webhooks need it; the leader uses the same. */
export interface SharedCaches {
  profiles: WatchCache<ProfileView>;
  revisions: WatchCache<RevisionView>;
  recentTexts: RecentTexts;
  /** Nodes whose label says that they cannot enforce AppArmor: for the webhook, which only asks whether there is one. */
  unableNodes: WatchCache<true>;
  revisionsOf(objectUid: string): readonly RevisionView[];
  /** The revision that nodes should hold of an object. */
  inForce(objectUid: string): RevisionView | undefined;
  /** Every object that exists, as the rule about names of profiles sees it; those that are being deleted left out. */
  claimants(): Claimant[];
  /** Called after the caches have the new state, until the returned function is called. */
  listen(on: SharedListeners): () => void;
}

export type SharedListeners = Pick<CacheListeners, 'profiles' | 'revisions'>;

export function startSharedCaches(parts: CacheParts): SharedCaches {
  const listeners = new Set<SharedListeners>();
  const index = createRevisionIndex();
  const recentTexts = createRecentTexts();
  const profiles: WatchCache<ProfileView> = startCache<AppArmorProfile, ProfileView>(parts, APPARMOR_PROFILE, {
    project: (object) => viewProfile(object, profiles.get(object.metadata.name), recentTexts.keep),
    onChange: (key, now, before) => listeners.forEach((on) => on.profiles(key, now, before)),
  });
  const revisions = startCache<ControllerRevision, RevisionView>(parts, CONTROLLER_REVISIONS, {
    namespace: parts.namespace,
    labelSelector: `${LABEL.revision}=true`,
    project: viewRevision,
    onChange(key, now, before) {
      index.changed(key, now, before);
      listeners.forEach((on) => on.revisions(key, now, before));
    },
  });
  const unableNodes = startCache<PartialObject, true>(parts, NODES, {
    labelSelector: `${LABEL.enforcing}=false`,
    metadataOnly: true,
    project: () => true,
    same: () => true,
    onChange: () => undefined,
  });
  const inForce = (objectUid: string): RevisionView | undefined => revisionInForce(index.of(objectUid));
  return {
    profiles,
    revisions,
    recentTexts,
    unableNodes,
    revisionsOf: (objectUid) => index.of(objectUid),
    inForce,
    claimants: () =>
      profiles
        .values()
        .filter(({ deleting }) => !deleting)
        .map((profile) => claimantOf(profile, inForce(profile.uid))),
    listen(on) {
      listeners.add(on);
      return () => listeners.delete(on);
    },
  };
}

/** What a replica watches whether it leads or not. */
export function watchedShared(shared: SharedCaches, { namespaces }: Pick<PodRules, 'namespaces'>): WatchedKind[] {
  return [
    watched('profiles', shared.profiles),
    watched('revisions', shared.revisions),
    watched('nodes that cannot enforce', shared.unableNodes),
    watched('namespaces', namespaces),
  ];
}
