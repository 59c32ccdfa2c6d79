// Generated from crds/apparmornodes.yaml by scripts/generate-api.ts (npm run generate): do not edit.
import type { ObjectMeta } from '../../kube/resource.ts';

/**
 * What one node's kernel holds of the AppArmorProfiles. There is one for each node, of the
 * node's name, made by the operator's controller and owned by the Node object; its status
 * is written by the agent on that node. There is nothing for users to write here.
 */
export interface AppArmorNode {
  /**
   * Version of this API, apparmor-operator.dev/v1alpha1.
   */
  apiVersion?: string;
  /**
   * AppArmorNode.
   */
  kind?: string;
  metadata: ObjectMeta;
  /**
   * What the controller grants the node's agent.
   */
  spec?: AppArmorNodeSpec;
  /**
   * What the agent on the node saw when something last changed.
   */
  status?: AppArmorNodeStatus;
}

/**
 * What the controller grants the node's agent.
 */
export interface AppArmorNodeSpec {
  /**
   * Profiles that nobody wants any more, to which no pod of the node refers, and which the
   * agent may therefore remove from the kernel after it has made sure that no process runs
   * under them.
   */
  unload?: AppArmorNodeSpecUnload[];
}

export interface AppArmorNodeSpecUnload {
  /**
   * When the grant ends. Pods may have been created since it was given.
   */
  expires: string;
  /**
   * Name of the profile, as the kernel knows it.
   */
  profile: string;
  /**
   * Short hash of the revision that the grant is for. Any other revision stays.
   */
  revision: string;
}

/**
 * What the agent on the node saw when something last changed.
 */
export interface AppArmorNodeStatus {
  /**
   * The boot in which this was seen. If it is not the one in the Node's
   * status.nodeInfo.bootID, the node has been restarted since and nothing below counts.
   */
  bootID?: string;
  /**
   * What was changed in the kernel behind the operator's back and put right, in this boot:
   * the last correction for each profile, the newest first, at most 16.
   */
  drift?: AppArmorNodeStatusDrift[];
  /**
   * Whether the kernel enforces AppArmor and lets the agent load policy. False: reason and
   * message say why.
   */
  enforcing?: boolean;
  /**
   * Release of the node's kernel.
   */
  kernel?: string;
  /**
   * Names of the profiles that the kernel holds exactly as they should be, each with the
   * short hash of the revision that it comes from. The kernel was asked after loading. Child
   * profiles are not listed.
   */
  loaded?: { [key: string]: string };
  /**
   * Number of members of `loaded`, for the column Loaded.
   */
  loadedCount?: number;
  /**
   * For profiles that something unloaded during this boot: when they were put back. Processes
   * that are older lost their confinement and are not confined by it again.
   */
  loadedSince?: { [key: string]: string };
  /**
   * The same for people, with what to do next. Absent if nothing is wrong.
   */
  message?: string;
  /**
   * Version of the apparmor_parser with which the agent compiles.
   */
  parser?: string;
  /**
   * Number of elements of `problems`, for the column Problems.
   */
  problemCount?: number;
  /**
   * Profiles with which something is wrong.
   */
  problems?: AppArmorNodeStatusProblem[];
  /**
   * What is wrong with the node, one word. Why it does not enforce: AppArmorDisabled,
   * SecurityfsMissing or NoPermission. While it enforces: StateFolderUnusable, policies are
   * loaded but not remembered for the next boot; StateFileSetAside, something remembered was
   * damaged and made anew; StateFolderLost, all that was remembered was deleted and made
   * anew. Absent if nothing is wrong.
   */
  reason?: string;
  /**
   * What the compiler said of policies that are loaded here nevertheless, such as rules that
   * this node's kernel cannot mediate; at most 16.
   */
  warnings?: AppArmorNodeStatusWarning[];
}

export interface AppArmorNodeStatusDrift {
  /**
   * Name of the AppArmorProfile that defines it.
   */
  object: string;
  /**
   * Name of the profile; what happened to its children counts as its own.
   */
  profile: string;
  /**
   * When it was put right.
   */
  time: string;
  /**
   * Unloaded: it was removed, and processes that ran under it lost their confinement.
   * Replaced: something else was loaded under its name. ModeChanged: it was switched to
   * another mode. TakenOver: something else had loaded a profile of that name, which
   * conflictPolicy Replace replaced.
   */
  what: AppArmorNodeStatusDriftWhat;
}

/**
 * Unloaded: it was removed, and processes that ran under it lost their confinement.
 * Replaced: something else was loaded under its name. ModeChanged: it was switched to
 * another mode. TakenOver: something else had loaded a profile of that name, which
 * conflictPolicy Replace replaced.
 */
export type AppArmorNodeStatusDriftWhat = 'ModeChanged' | 'Replaced' | 'TakenOver' | 'Unloaded';

export interface AppArmorNodeStatusProblem {
  /**
   * Line of the policy text, from 1, where the problem has one.
   */
  line?: number;
  /**
   * What the compiler or the kernel said, at most 256 bytes.
   */
  message: string;
  /**
   * Name of the AppArmorProfile that defines it.
   */
  object: string;
  /**
   * Name of the profile.
   */
  profile: string;
  /**
   * One word, of a fixed and documented set, that says why.
   */
  reason: string;
  /**
   * Short hash of the revision that the row speaks of.
   */
  revision: string;
  /**
   * Failed: this revision could not be compiled or loaded; the last one that could stays
   * loaded. Conflict: the name belongs to another object, or to something other than the
   * operator. Retained: nobody wants the profile any more, and it stays loaded; the reason
   * says why (NoLongerWanted: until no pod refers to it; InUse: processes run under it;
   * NotOurs, StaleChild: never removed).
   */
  state: AppArmorNodeStatusProblemState;
}

/**
 * Failed: this revision could not be compiled or loaded; the last one that could stays
 * loaded. Conflict: the name belongs to another object, or to something other than the
 * operator. Retained: nobody wants the profile any more, and it stays loaded; the reason
 * says why (NoLongerWanted: until no pod refers to it; InUse: processes run under it;
 * NotOurs, StaleChild: never removed).
 */
export type AppArmorNodeStatusProblemState = 'Conflict' | 'Failed' | 'Retained';

export interface AppArmorNodeStatusWarning {
  /**
   * Line of the policy text, from 1, where the warning has one.
   */
  line?: number;
  /**
   * What the compiler said, at most 256 bytes.
   */
  message: string;
  /**
   * Name of the AppArmorProfile that defines it.
   */
  object: string;
  /**
   * Name of the profile.
   */
  profile: string;
  /**
   * Short hash of the revision that was compiled.
   */
  revision: string;
}
