import type { AppArmorNodeStatusDriftWhat } from '../../api/generated/apparmornode.ts';
import { EVENT_REASON } from '../../api/reasons.ts';
import type { Announcement } from '../announce.ts';
import type { RowView } from './row-view.ts';

/**
 * What to tell about the corrections that a node reports now and did not before, each with the name of the AppArmorProfile
 * that it is about. Nothing at first sight: an earlier leader told of it, or nobody was there to hear.
 */
export function driftEvents(
  now: RowView | undefined,
  before: RowView | undefined,
): { object: string; announcement: Announcement }[] {
  if (now === undefined || before === undefined || now.uid !== before.uid) return [];
  const seen = new Map(before.drift.map(({ profile, time }) => [profile, Date.parse(time)]));
  return now.drift
    .filter(({ profile, time }) => Date.parse(time) > (seen.get(profile) ?? -Infinity))
    .map(({ profile, object, what }) => {
      const { happened, ...rest } = CORRECTED[what];
      return { object, announcement: { ...rest, action: 'Load', note: `${now.name}: profile ${profile} ${happened}` } };
    });
}

const DRIFT = { type: 'Warning', reason: EVENT_REASON.driftCorrected } as const;

const CORRECTED = {
  Unloaded: {
    ...DRIFT,
    happened:
      'had been removed from the kernel and is loaded again; processes that ran under it are unconfined until they are started anew',
  },
  Replaced: {
    ...DRIFT,
    happened: 'had been replaced by another policy, which held meanwhile, and is loaded again as it should be',
  },
  ModeChanged: {
    ...DRIFT,
    happened: 'had been switched to another mode, which held meanwhile, and is loaded again as it should be',
  },
  TakenOver: {
    type: 'Normal',
    reason: EVENT_REASON.takenOver,
    happened: 'had been loaded by something else and was replaced, as conflictPolicy Replace asks',
  },
} as const satisfies Record<AppArmorNodeStatusDriftWhat, Pick<Announcement, 'type' | 'reason'> & { happened: string }>;
