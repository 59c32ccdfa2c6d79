import { expect } from 'chai';
import { publishedRuleText, type WantedRule } from '../../../../src/admission/pods/published-rule.ts';
import { planRevisions, type RevisionAction } from '../../../../src/controller/revisions/plan.ts';
import type { RevisionView } from '../../../../src/controller/revisions/revision-view.ts';
import { revisionView } from '../objects.ts';

const at = (hash: string, sequence: number, more: Partial<RevisionView> = {}): RevisionView =>
  revisionView({ hash, sequence, ...more });

/** `publish 3`, `bump b 7`, `none`; then the hashes that are removed. */
function planned(generation: number, wanted: string | undefined, revisions: RevisionView[]): string[] {
  const { action, remove } = planRevisions({ objectUid: 'uid-web', generation, wanted, revisions });
  const removed = remove.map(({ hash }) => `remove ${hash}`);
  const bumped = action.kind === 'bump' ? [action.revision.hash] : [];
  const sequence = action.kind === 'none' ? [] : [action.sequence];
  return [[action.kind, ...bumped, ...sequence].join(' '), ...removed];
}

describe('planRevisions', () => {
  for (const [title, generation, wanted, revisions, expected] of [
    ['the first content is published', 1, 'a', [], ['publish 1']],
    ['a new content is published with its generation', 5, 'b', [at('a', 1)], ['publish 5']],
    ['what is in force stays, whatever the generation', 9, 'a', [at('a', 1)], ['none']],
    ['an earlier content is put in force again', 3, 'a', [at('a', 1), at('b', 2)], ['bump a 3']],
    ['the sequence is higher than any other', 1, 'b', [at('a', 4)], ['publish 5']],
    ['two of one sequence are told apart', 2, 'a', [at('a', 2), at('b', 2)], ['bump a 3']],
    ['a refused spec publishes nothing', 3, undefined, [at('a', 1), at('b', 2)], ['none']],
    ['nothing was ever accepted', 1, undefined, [], ['none']],
    ['one being deleted does not count', 2, 'a', [at('a', 1, { deleting: true })], ['publish 2']],
    ['a lost owner is put right', 2, 'a', [at('a', 1, { owners: [] })], ['bump a 1']],
    ['three old ones stay', 4, 'd', [at('a', 1), at('b', 2), at('c', 3), at('d', 4)], ['none']],
    [
      'older ones go, the oldest first',
      6,
      'f',
      [at('e', 5), at('a', 1), at('b', 2), at('c', 3), at('d', 4), at('f', 6)],
      ['none', 'remove a', 'remove b'],
    ],
    [
      'the wanted one never goes, however old',
      6,
      'a',
      [at('a', 1), at('b', 2), at('c', 3), at('d', 4), at('e', 5), at('f', 5)],
      ['bump a 6', 'remove b'],
    ],
    [
      'a refused spec removes none that is in force',
      7,
      undefined,
      [at('a', 1), at('b', 2), at('c', 3), at('d', 4), at('e', 5)],
      ['none', 'remove a'],
    ],
  ] as const) {
    it(title, () => expect(planned(generation, wanted, [...revisions])).to.deep.equal(expected));
  }

  describe('the pod rule', () => {
    const rule: WantedRule = { profile: 'web', priority: 0, selector: {}, creationTimestamp: '2030-01-01T00:00:00Z' };
    const text = publishedRuleText(rule, undefined, 4);
    it('is published with a new revision, and keeps its `since` if it said the same before', () => {
      expect(plan('b', [at('a', 1)], rule)).to.deep.include({
        kind: 'publish',
        podRule: publishedRuleText(rule, undefined, 7),
      });
      expect(plan('b', [at('a', 1, { podRuleText: text })], rule)).to.deep.include({ kind: 'publish', podRule: text });
    });

    it('changes on the revision in force', () => {
      const changed = { ...rule, priority: 1 };
      expect(plan('a', [at('a', 1, { podRuleText: text })], rule)).to.deep.equal({ kind: 'none' });
      expect(plan('a', [at('a', 1, { podRuleText: text })], changed)).to.deep.include({
        kind: 'bump',
        sequence: 1,
        podRule: publishedRuleText(changed, text, 7),
      });
      expect(plan('a', [at('a', 1, { podRuleText: text })]))
        .to.include({ kind: 'bump', sequence: 1 })
        .and.not.to.have.property('podRule');
    });

    it('goes with an earlier content that is put in force again', () => {
      const revisions = [at('a', 1, { podRuleText: 'another' }), at('b', 2, { podRuleText: text })];
      expect(plan('a', revisions, rule)).to.deep.include({ kind: 'bump', sequence: 7, podRule: text });
    });
  });
});

function plan(wanted: string, revisions: RevisionView[], podRule?: WantedRule): RevisionAction {
  const rule = podRule === undefined ? {} : { podRule };
  return planRevisions({ objectUid: 'uid-web', generation: 7, wanted, revisions, ...rule }).action;
}
