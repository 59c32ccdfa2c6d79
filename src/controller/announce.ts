import type { EventReason } from '../api/reasons.ts';
import { APPARMOR_PROFILE } from '../api/resources.ts';
import { shorten } from '../api/conditions.ts';
import type { EventRecorder } from '../kube/events.ts';
import { apiVersionOf } from '../kube/resource.ts';

/** An Event on an AppArmorProfile. The note never contains policy text beyond what a finding quotes. */
export interface Announcement {
  type: 'Normal' | 'Warning';
  reason: EventReason;
  action: string;
  note: string;
}

export type Announce = (object: { name: string; uid: string }, announcement: Announcement) => void;

/** events.k8s.io/v1 refuses a note over 1 kB. Notes here are ASCII but for names, hence some room. */
export const LONGEST_NOTE = 900;

export function announceOn(recorder: EventRecorder): Announce {
  return ({ name, uid }, { note, ...announcement }) =>
    recorder.record({
      regarding: { apiVersion: apiVersionOf(APPARMOR_PROFILE), kind: APPARMOR_PROFILE.kind, name, uid },
      ...announcement,
      note: shorten(note, LONGEST_NOTE),
    });
}
