import { shorten } from '../../api/conditions.ts';
import { EVENT_REASON, type EventReason } from '../../api/reasons.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { apiVersionOf, type Resource } from '../../kube/resource.ts';
import type { Logger } from '../../log.ts';
import { LONGEST_NOTE } from '../announce.ts';
import type { NewMeta } from '../new-meta.ts';
import { describeChanges, type Change } from './changes.ts';

/** What is told of a write to an object that is kept. */
export interface Telling {
  type: 'Normal' | 'Warning';
  reason: EventReason;
  note: string;
}

/** `editor`: who changed the object last besides us, if known. */
export function tellingOf(
  why: 'configured' | 'edited',
  changes: readonly Change[],
  editor: string | undefined,
): Telling {
  if (why === 'configured') {
    const paths = changes.map(({ path }) => path).join(', ');
    return { type: 'Normal', reason: EVENT_REASON.updated, note: `changed with the operator: ${paths}` };
  }
  const who = editor === undefined ? '' : `, last changed by ${editor}`;
  return { type: 'Warning', reason: EVENT_REASON.putRight, note: `put right${who}: ${describeChanges(changes)}` };
}

/** Into the log, where the object is called `what`, and as an Event about it. */
export function tell(
  { type, reason, note }: Telling,
  { resource, metadata, what, action }: { resource: Resource; metadata: NewMeta; what: string; action: string },
  { events, logger }: { events: EventRecorder; logger: Logger },
): void {
  const { name, namespace, uid } = metadata;
  logger[type === 'Normal' ? 'info' : 'warn'](`${what} ${note}`);
  events.record({
    regarding: {
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
    type,
    reason,
    action,
    note: shorten(note, LONGEST_NOTE),
  });
}
