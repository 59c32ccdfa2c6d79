import { expect } from 'chai';
import { driftEvents } from '../../../../src/controller/nodes/drift-events.ts';
import { rowView } from '../objects.ts';

describe('driftEvents', () => {
  const unloaded = { profile: 'web', object: 'web', what: 'Unloaded', time: '2030-01-01T00:00:10Z' } as const;
  const none = rowView();
  const one = rowView({ drift: [unloaded] });
  for (const [title, now, before, told] of [
    ['a first correction', one, none, 1],
    ['again, later', rowView({ drift: [{ ...unloaded, time: '2030-01-01T00:00:11Z' }] }), one, 1],
    ['of another profile', rowView({ drift: [{ ...unloaded, profile: 'db' }, unloaded] }), one, 1],
    ['two at once', rowView({ drift: [{ ...unloaded, profile: 'db' }, unloaded] }), none, 2],
    ['the same', rowView({ drift: [{ ...unloaded }] }), one, 0],
    ['an earlier one', rowView({ drift: [{ ...unloaded, time: '2030-01-01T00:00:09Z' }] }), one, 0],
    ['forgotten by the agent', none, one, 0],
    ['at first sight', one, undefined, 0],
    ['at first sight of another row', rowView({ uid: 'x', drift: [unloaded] }), none, 0],
    ['the row is gone', undefined, one, 0],
  ] as const) {
    it(`${title}: ${told}`, () => expect(driftEvents(now, before)).to.have.length(told));
  }

  for (const [what, type, reason, note] of [
    ['Unloaded', 'Warning', 'DriftCorrected', /^a: profile web had been removed .* unconfined/],
    ['Replaced', 'Warning', 'DriftCorrected', /^a: profile web had been replaced/],
    ['ModeChanged', 'Warning', 'DriftCorrected', /^a: profile web had been switched to another mode/],
    ['TakenOver', 'Normal', 'TakenOver', /^a: profile web .* conflictPolicy Replace/],
  ] as const) {
    it(`${what} says where, which and what`, () => {
      const [told] = driftEvents(rowView({ drift: [{ ...unloaded, what }] }), none);
      expect(told?.object).to.equal('web');
      expect(told?.announcement).to.include({ type, reason, action: 'Load' });
      expect(told?.announcement.note).to.match(note);
    });
  }
});
