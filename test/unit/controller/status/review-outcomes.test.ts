import { expect } from 'chai';
import type { TextFinding } from '../../../../src/admission/review/verdict.ts';
import type { ReviewState } from '../../../../src/controller/revisions/review-state.ts';
import { statusEvents } from '../../../../src/controller/status/status-events.ts';
import { summarize } from '../../../../src/controller/status/summarize.ts';
import { loadedOn, profileView, revisionView } from '../objects.ts';

const ERROR: TextFinding = {
  rule: 'compile-failed',
  severity: 'error',
  field: 'variants[0].policy',
  position: { line: 3, column: 1 },
  message: 'it does not compile',
  remedy: 'correct it',
};

/** What is said of an accepted spec that is not published yet, with an earlier revision in force or without. */
function said(review: ReviewState | undefined, before: boolean): [string, string] {
  const { conditions = [] } = summary(review, before);
  const [ready] = conditions;
  const words = conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`);
  return [words.join(' '), ready?.message ?? ''];
}

function summary(review: ReviewState | undefined, before = false) {
  return summarize({
    profile: profileView({ verdict: { kind: 'accepted', hash: 'new', profiles: ['web'] } }),
    inForce: before ? revisionView() : undefined,
    nodes: [loadedOn('a')],
    now: new Date('2030-01-02T00:00:00Z'),
    ...(review === undefined ? {} : { review }),
  });
}

describe('the status of what the controller reviews', () => {
  for (const [title, review, first, later, message] of [
    ['not begun', undefined, 'Unknown/Progressing', 'False/Progressing', /^revision new is being published$/],
    ['passed', { kind: 'passed' }, 'Unknown/Progressing', 'False/Progressing', /^revision new is being published$/],
    [
      'being compiled',
      { kind: 'compiling', slow: false, sinceMs: 0 },
      'Unknown/Progressing',
      'False/Progressing',
      /^revision new is being compiled on trial$/,
    ],
    [
      'slow',
      { kind: 'compiling', slow: true, sinceMs: 0 },
      'Unknown/Progressing',
      'False/Progressing',
      /^revision new takes long to compile on trial; .* 60 s of CPU$/,
    ],
    [
      'without a parser',
      { kind: 'unavailable', message: 'no parser' },
      'Unknown/ReviewUnavailable',
      'False/ReviewUnavailable',
      /^revision new cannot be compiled on trial, which is tried again: no parser\. /,
    ],
  ] as const) {
    it(`${title}: working on it`, () => {
      expect(said(review, false)[0]).to.equal(`Ready=${first} Reconciling=True/${first.split('/')[1]}`);
      expect(said(review, true)[0]).to.equal(`Ready=${later} Reconciling=True/${later.split('/')[1]}`);
      expect(said(review, true)[1]).to.match(message);
    });
  }

  it('what does not compile is refused, with the line, and the last revision stays', () => {
    const review: ReviewState = { kind: 'refused', errors: [ERROR] };
    const [conditions, message] = said(review, false);
    expect(conditions).to.equal('Ready=False/PolicyRefused Stalled=True/PolicyRefused');
    expect(message).to.equal(
      'variants[0].policy, line 3: it does not compile (rule compile-failed); correct it. nothing is published',
    );
    expect(said(review, true)[1]).to.match(/revision aaaaaaaaaaaa stays in force$/);
    expect(summary(review).failures).to.deep.equal([
      {
        reason: 'PolicyRefused',
        line: 3,
        message: 'variants[0].policy, line 3: it does not compile (rule compile-failed); correct it',
      },
    ]);
  });

  it('a name that another object owns is a conflict that names it', () => {
    const review: ReviewState = { kind: 'conflict', owned: [{ profile: 'web', owner: 'old' }] };
    const [conditions, message] = said(review, true);
    expect(conditions).to.equal('Ready=False/Conflict Stalled=True/Conflict');
    expect(message).to.match(/^the profile web belongs to AppArmorProfile old; rename .* aaaaaaaaaaaa stays in force$/);
    expect(summary(review)).not.to.have.property('failures');
  });

  it('says nothing of a review once its revision is in force', () => {
    const { conditions, failures } = summarize({
      profile: profileView(),
      inForce: revisionView(),
      nodes: [loadedOn('a')],
      review: { kind: 'refused', errors: [ERROR] },
      now: new Date('2030-01-02T00:00:00Z'),
    });
    expect(conditions?.[0]).to.deep.include({ reason: 'Loaded' });
    expect(failures).to.equal(undefined);
  });

  for (const [review, reason] of [
    [{ kind: 'refused', errors: [ERROR] }, 'PolicyRefused'],
    [{ kind: 'conflict', owned: [{ profile: 'web', owner: 'old' }] }, 'Conflict'],
    [{ kind: 'unavailable', message: 'no parser' }, 'ReviewUnavailable'],
  ] as const) {
    it(`tells ${reason} once`, () => {
      const status = summary(review);
      expect(statusEvents(undefined, status)).to.have.length(1);
      expect(statusEvents(undefined, status)[0]).to.deep.include({ type: 'Warning', reason });
      expect(statusEvents(status, status)).to.deep.equal([]);
    });
  }
});
