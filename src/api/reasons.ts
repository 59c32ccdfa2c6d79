/**
 * The fixed set of reasons that users see: in conditions, in `status.failures` and on Events. Each has one meaning, said
 * here, and does not change it: people write alerts on them. What nodes report (CompileFailed, …) is the agent's own set.
 */

/** Reasons of the condition Ready. */
export const READY_REASON = {
  /** True: every node that should and can hold the current revision does, and it confines. */
  loaded: 'Loaded',
  /** True: held everywhere, but its mode does not confine (complain, unconfined) or not every profile of the text does. */
  loadedNotEnforcing: 'LoadedNotEnforcing',
  /** Unknown or False: accepted, not yet published or not yet loaded everywhere. */
  progressing: 'Progressing',
  /** Unknown or False: accepted, but the API server would not take the revision; retried. */
  publishFailed: 'PublishFailed',
  /** Unknown or False: it cannot be compiled on trial because the controller has no parser that runs; retried. */
  reviewUnavailable: 'ReviewUnavailable',
  /** False: loaded, but the API server does not give the profile to new pods yet; they are refused or run without it. */
  podRuleNotInForce: 'PodRuleNotInForce',
  /** False: the review refused the spec, or it does not compile; the last published revision stays in force. */
  policyRefused: 'PolicyRefused',
  /** False: some node could not compile or load it and keeps what it had. */
  nodesFailed: 'NodesFailed',
  /** False: a name belongs to another object, or on some node to something other than the operator. */
  conflict: 'Conflict',
  /** False: nodes are selected, but none of them is reachable and enforces AppArmor. */
  noEnforcingNode: 'NoEnforcingNode',
  /** False: no node is selected. */
  noMatchingNode: 'NoMatchingNode',
} as const;

export type ReadyReason = (typeof READY_REASON)[keyof typeof READY_REASON];

/** Reasons of the condition PodsConfined. */
export const PODS_REASON = {
  /** True: every matching pod runs under the profile, but for those that are skipped. */
  confined: 'Confined',
  /** False: no pod matches. */
  noMatchingPod: 'NoMatchingPod',
  /** False: every matching pod is skipped. */
  podsSkipped: 'PodsSkipped',
  /** False: pods run under the profile in a mode that refuses nothing. */
  complaining: 'Complaining',
  /** False: pods run without it, and need to be created anew. */
  podsPendingRestart: 'PodsPendingRestart',
  /** False: the nodes of some pods do not hold the profile, or have not said so since they booted. */
  nodeDoesNotHold: 'NodeDoesNotHold',
  /** False: the profile was removed from a kernel behind the operator's back, and pods that ran under it are unconfined. */
  confinementLost: 'ConfinementLost',
} as const;

export type PodsReason = (typeof PODS_REASON)[keyof typeof PODS_REASON];

/** Why a pod is counted as pendingRestart; also the reasons of Events on such pods. */
export const PENDING_REASON = {
  /** Its profile was removed from the kernel while it ran, which reloading does not put right. */
  confinementLost: PODS_REASON.confinementLost,
  /** It names no profile: it is older than the rule, or something changed since that made it match. */
  noProfile: 'NoProfile',
  /** Some of its containers name the profile, others none: they came after ours had been asked. */
  partlyConfined: 'PartlyConfined',
  /** It runs under the profile that an earlier rule, of this object or another one, gave it. */
  earlierRule: 'EarlierRule',
  /** Its node does not hold the profile, or has not said so since it booted. */
  nodeDoesNotHold: PODS_REASON.nodeDoesNotHold,
} as const;

export type PendingReason = (typeof PENDING_REASON)[keyof typeof PENDING_REASON];

/** In `status.failures`, Warning: `spec.pods.containers` has names that no matching pod has. */
export const CONTAINER_NOT_FOUND = 'ContainerNotFound';

/**
 * What an agent reports that no retry with the same text can change, so that the object is Stalled. Everything else, such as
 * a write that the kernel refused or a parser that could not be started, is tried again and is not.
 */
export const PERMANENT_NODE_REASONS: ReadonlySet<string> = new Set([
  'CompileFailed',
  'CompileTimeout',
  'CompileCrashed',
  'CompileOutOfMemory',
  'CompileOutputTooLarge',
  'NoProfile',
  'NameMismatch',
  'ModeMismatch',
  'PolicyRefused',
  'RevisionInvalid',
]);

/** Why a node is counted as unreachable. */
export const UNREACHABLE_REASON = {
  /** The Node's Ready condition is not True. */
  notReady: 'NodeNotReady',
  /** A virtual node has no kernel of its own. */
  virtual: 'VirtualNode',
  /** No Ready agent pod for five minutes. */
  noAgent: 'NoAgent',
} as const;

export type UnreachableReason = (typeof UNREACHABLE_REASON)[keyof typeof UNREACHABLE_REASON];

/** Reasons of Events. */
export const EVENT_REASON = {
  /** AppArmorProfile, Normal: a revision was published, or an earlier one was put in force again. */
  published: 'Published',
  /** AppArmorProfile, Warning: the review refused the spec. */
  policyRefused: READY_REASON.policyRefused,
  /** AppArmorProfile, Warning: nothing can be compiled on trial. */
  reviewUnavailable: READY_REASON.reviewUnavailable,
  /** AppArmorProfile, Warning: the rule of spec.pods is not in force, for example because the webhook cannot be reached. */
  podRuleNotInForce: READY_REASON.podRuleNotInForce,
  /** AppArmorProfile, Warning: the revision could not be stored. */
  publishFailed: READY_REASON.publishFailed,
  /** AppArmorProfile, Normal: every node that should and can hold the current revision does. */
  ready: 'Ready',
  /** AppArmorProfile, Warning: the first node failed, or nodes fail in a new way. */
  loadFailed: 'LoadFailed',
  /** AppArmorProfile, Warning: another object defines the same name, or a node reports that the name is taken. */
  conflict: READY_REASON.conflict,
  /** AppArmorProfile, Warning: there is no node to load it on. */
  noEnforcingNode: READY_REASON.noEnforcingNode,
  /** AppArmorProfile, Warning: no node matches. */
  noMatchingNode: READY_REASON.noMatchingNode,
  /** AppArmorProfile, Warning: a node had lost or changed one of its profiles behind our back, and it was put right. */
  driftCorrected: 'DriftCorrected',
  /** AppArmorProfile, Normal: with conflictPolicy Replace, a profile that something else had loaded was replaced. */
  takenOver: 'TakenOver',
  /** AppArmorProfile, Normal: with restart Evict, a pod was evicted so that it is made anew confined. */
  evicted: 'Evicted',
  /** AppArmorProfile, Warning: a replacement of an evicted pod is not Ready and confined; nothing more is evicted. */
  evictionsStopped: 'EvictionsStopped',
  /** AppArmorProfile, Warning: restart is Evict, and the operator has no right to evict pods. */
  evictionNotPermitted: 'EvictionNotPermitted',
  /** AppArmorNode, Warning: all AppArmorProfiles vanished together, so nothing is removed from any kernel. */
  unloadHeld: 'UnloadHeld',
  /** DaemonSet or webhook configuration, Normal: created, or created again after it was deleted. */
  created: 'Created',
  /** DaemonSet or webhook configuration, Normal: changed because the operator's configuration or version changed. */
  updated: 'Updated',
  /** DaemonSet or webhook configuration, Warning: somebody's change was undone; the note says whose and what. */
  putRight: 'PutRight',
} as const;

export type EventReason = (typeof EVENT_REASON)[keyof typeof EVENT_REASON];
