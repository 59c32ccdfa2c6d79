import { findCondition } from '../../api/conditions.ts';
import { EVENT_REASON, READY_REASON, type ReadyReason } from '../../api/reasons.ts';
import type { Announcement } from '../announce.ts';
import type { AppArmorProfileStatus } from '../../api/generated/index.ts';

/**
 * What to tell users about a status that was written: something they would act on. Nothing while it only progresses, and
 * nothing twice: the same Ready reason and message of the same generation was told before.
 */
export function statusEvents(stored: AppArmorProfileStatus | undefined, next: AppArmorProfileStatus): Announcement[] {
  const before = findCondition(stored?.conditions, 'Ready');
  const ready = findCondition(next.conditions, 'Ready');
  if (ready === undefined) return [];
  const reason = ready.reason as ReadyReason;
  const sameReason = before?.reason === reason && before.observedGeneration === ready.observedGeneration;
  const told = TELLS_EVERY_MESSAGE.has(reason) ? sameReason && before?.message === ready.message : sameReason;
  if (told) return [];
  const kind = ANNOUNCED[reason];
  return kind === undefined ? [] : [{ ...kind, note: ready.message ?? '' }];
}

/** Of these each new message is news; of the others the message only counts nodes. */
const TELLS_EVERY_MESSAGE: ReadonlySet<ReadyReason> = new Set([READY_REASON.policyRefused]);

const ANNOUNCED: Record<ReadyReason, Omit<Announcement, 'note'> | undefined> = {
  [READY_REASON.loaded]: { type: 'Normal', reason: EVENT_REASON.ready, action: 'Load' },
  [READY_REASON.loadedNotEnforcing]: { type: 'Warning', reason: EVENT_REASON.ready, action: 'Load' },
  [READY_REASON.progressing]: undefined,
  [READY_REASON.publishFailed]: { type: 'Warning', reason: EVENT_REASON.publishFailed, action: 'Publish' },
  [READY_REASON.reviewUnavailable]: { type: 'Warning', reason: EVENT_REASON.reviewUnavailable, action: 'Review' },
  [READY_REASON.podRuleNotInForce]: { type: 'Warning', reason: EVENT_REASON.podRuleNotInForce, action: 'Confine' },
  [READY_REASON.policyRefused]: { type: 'Warning', reason: EVENT_REASON.policyRefused, action: 'Review' },
  [READY_REASON.nodesFailed]: { type: 'Warning', reason: EVENT_REASON.loadFailed, action: 'Load' },
  [READY_REASON.conflict]: { type: 'Warning', reason: EVENT_REASON.conflict, action: 'Load' },
  [READY_REASON.noEnforcingNode]: { type: 'Warning', reason: EVENT_REASON.noEnforcingNode, action: 'Load' },
  [READY_REASON.noMatchingNode]: { type: 'Warning', reason: EVENT_REASON.noMatchingNode, action: 'Load' },
};
