import { rulesOfInclude } from './abstractions.ts';
import { matchesLabel } from './label-pattern.ts';
import type { ScannedInclude, ScannedProfile, ScannedSignalRule } from './scanned.ts';

/**
 * As what the container runtime sends signals: Debian 13 and Ubuntu since 23.10 have profiles for runc and crun, and mediate the
 * signals that these send although the profiles are flagged unconfined (containerd PR 10123, containers/common issue 1898).
 */
export const RUNTIME_LABELS = ['unconfined', 'runc', 'crun'] as const;

export type RuntimeLabel = (typeof RUNTIME_LABELS)[number];

/**
 * Which of them can send a container with this profile the signals that end it: by rules of its own, or those that its includes
 * bring. Counts as able what cannot be told from the text, such as a variable for the peer.
 */
export function runtimesThatSignal(
  profile: ScannedProfile,
  includes: readonly ScannedInclude[],
): ReadonlySet<RuntimeLabel> {
  const rules = profile.signalRules.filter((rule) => rule.receives && isAboutKill(rule));
  const isDenied = (label: RuntimeLabel): boolean => rules.some((rule) => rule.denied && isSure(rule, label));
  const isAllowed = (label: RuntimeLabel): boolean =>
    profile.allowsAll !== undefined ||
    rules.some((rule) => !rule.denied && isPossible(rule, label)) ||
    (label === 'unconfined' && includes.some((include) => rulesOfInclude(include).receivesFromUnconfined));
  return new Set(RUNTIME_LABELS.filter((label) => isAllowed(label) && !isDenied(label)));
}

/** A container that ignores `term` must still die. */
function isAboutKill({ signals }: ScannedSignalRule): boolean {
  return signals === undefined || signals.includes('kill');
}

function isSure({ peer }: ScannedSignalRule, label: RuntimeLabel): boolean {
  return peer === undefined || matchesLabel(peer, label) === true;
}

function isPossible({ peer }: ScannedSignalRule, label: RuntimeLabel): boolean {
  if (peer === undefined) return true;
  // No profile of ours has such a name: they are reserved.
  if (peer.startsWith('@{profile_name}')) return false;
  return matchesLabel(peer, label) !== false;
}
