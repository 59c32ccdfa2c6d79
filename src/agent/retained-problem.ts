import type { AppArmorNodeStatusProblem } from '../api/generated/apparmornode.ts';
import { clip } from './clip.ts';
import type { ProfileUse, Waiting } from './removals.ts';
import type { NotOursRow, RetainedRow, UnwantedRow } from './retained.ts';

/** The row of the status for a profile that nobody wants and that stays loaded. */
export function retainedProblem(row: RetainedRow, waiting: readonly Waiting[]): AppArmorNodeStatusProblem {
  const { profile, object, revision } = row;
  const { reason, message } = reasonOf(row, waiting);
  return { profile, object, revision, state: 'Retained', reason, message: clip(message) };
}

interface Reason {
  reason: 'NoLongerWanted' | 'InUse' | 'NotOurs' | 'StaleChild';
  message: string;
}

function reasonOf(row: RetainedRow, waiting: readonly Waiting[]): Reason {
  switch (row.why) {
    case 'unwanted':
      return unwantedReason(row, waiting);
    case 'notOurs':
      return { reason: 'NotOurs', message: `nobody wants it on this node any more; ${NOT_OURS[row.how]}` };
    case 'staleChild':
    default:
      return {
        reason: 'StaleChild',
        message: 'an earlier version of the policy defined this child; the kernel keeps it beside the new one',
      };
  }
}

const NOT_OURS: Readonly<Record<NotOursRow['how'], string>> = {
  adopted: 'the agent found it loaded and did not create it, so it is never removed',
  takenOver: 'something else had created it before it was taken over, so it is never removed',
  changed: 'something else has replaced it since, so it is never removed',
};

/** One message while it waits, whatever for: a change of it costs a write of the status. */
const WAITS =
  'nobody wants it on this node any more; it stays loaded until no pod refers to it and no process runs under it';

function unwantedReason(row: UnwantedRow, waiting: readonly Waiting[]): Reason {
  const why = waiting.find((one) => one.row === row)?.why;
  switch (why?.kind) {
    case 'inUse':
      return { reason: 'InUse', message: `nobody wants it on this node any more, but ${inUse(row.profile, why)}` };
    case 'claimed':
      return {
        reason: 'NoLongerWanted',
        message: 'its object is gone; it stays loaded until another object that defines it is loaded here',
      };
    case 'failed':
      return { reason: 'NoLongerWanted', message: `nobody wants it on this node any more; ${why.failure.message}` };
    case 'young':
    case 'notAllowed':
    case 'notGranted':
    case 'notLooked':
    case undefined:
    default:
      return { reason: 'NoLongerWanted', message: WAITS };
  }
}

function inUse(profile: string, { profile: used, use }: { profile: string; use: ProfileUse }): string {
  if (use.kind === 'unseen') return `what runs under it cannot be seen: ${use.message}`;
  const under = used === profile ? 'it' : `${used}, which was loaded with it`;
  const { processes, unreadable } = use;
  const parts = [
    ...(processes === 0
      ? []
      : [processes === 1 ? `1 process runs under ${under}` : `${processes} processes run under ${under}`]),
    ...(unreadable === 0
      ? []
      : [unreadable === 1 ? '1 process cannot be looked into' : `${unreadable} processes cannot be looked into`]),
  ];
  return parts.join(', and ');
}
