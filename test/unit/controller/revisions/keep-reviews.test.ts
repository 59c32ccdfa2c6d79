import { expect } from 'chai';
import type { TrialBudget, TrialOutcome } from '../../../../src/admission/review/trial.ts';
import { BACKGROUND, REVIEW } from '../../../../src/admission/review/trial.ts';
import { judge } from '../../../../src/admission/review/verdict.ts';
import type { ProfileView } from '../../../../src/controller/profiles/profile-view.ts';
import { viewProfile } from '../../../../src/controller/profiles/profile-view.ts';
import { createReviewsKeeper, ReviewPostponedError } from '../../../../src/controller/revisions/keep-reviews.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import { fakeLogger, going } from '../fake-client.ts';
import { profileObject, profileView } from '../objects.ts';

function world(outcomes: TrialOutcome[], change: { profile?: ProfileView; gone?: boolean } = {}) {
  const object = profileObject({});
  const profile = change.profile ?? viewProfile(object, undefined);
  const state = { profile };
  const log: string[] = [];
  const budgets: TrialBudget[] = [];
  const verdict = judge(object);
  if (verdict.kind === 'refused') throw new Error('the fixture is refused');
  const keeper = createReviewsKeeper({
    trial: {
      try(_request, budget) {
        budgets.push(budget);
        return Promise.resolve(outcomes.shift() ?? { kind: 'passed' });
      },
      stop: () => Promise.resolve(),
    },
    budget: REVIEW,
    clock: createManualClock(),
    logger: fakeLogger(),
    profile: (name) => (name === profile.name ? state.profile : undefined),
    read: () => Promise.resolve(change.gone === true ? undefined : verdict),
    onState: () => log.push(keeper.state(state.profile)?.kind ?? 'nothing'),
    onSlow: (name) => log.push(`slow ${name}`),
  });
  return { keeper, state, log, budgets };
}

const error = { rule: 'compile-failed', severity: 'error', field: 'policy', message: 'm', remedy: 'r' } as const;

describe('createReviewsKeeper', () => {
  it('says that it compiles, then what came out, and does not try again', async () => {
    const { keeper, state, log, budgets } = world([{ kind: 'passed' }]);
    await keeper.review('web', going);
    await keeper.review('web', going);
    expect(log).to.deep.equal(['compiling', 'passed']);
    expect(keeper.state(state.profile)).to.deep.equal({ kind: 'passed' });
    expect(budgets).to.deep.equal([REVIEW]);
  });

  it('keeps the errors of what does not compile', async () => {
    const { keeper, state, log } = world([{ kind: 'refused', errors: [error] }]);
    await keeper.review('web', going);
    await keeper.review('web', going);
    expect(log).to.deep.equal(['compiling', 'refused']);
    expect(keeper.state(state.profile)).to.deep.equal({ kind: 'refused', errors: [error] });
  });

  it('a slow text gets a second trial with more time', async () => {
    const { keeper, log, state, budgets } = world([
      { kind: 'unfinished', why: 'slow' },
      { kind: 'refused', errors: [error] },
    ]);
    await keeper.review('web', going);
    expect(keeper.state(state.profile)).to.deep.include({ kind: 'compiling', slow: true });
    await keeper.reviewSlowly('web', going);
    expect(log).to.deep.equal(['compiling', 'compiling', 'slow web', 'refused']);
    expect(budgets).to.deep.equal([REVIEW, BACKGROUND]);
  });

  it('has the queue try again where there was no place', async () => {
    const { keeper, log } = world([{ kind: 'unfinished', why: 'busy' }, { kind: 'passed' }]);
    expect(await keeper.review('web', going).catch((problem: unknown) => problem)).to.be.instanceOf(
      ReviewPostponedError,
    );
    await keeper.review('web', going);
    expect(log).to.deep.equal(['compiling', 'passed']);
  });

  it('says that there is no parser for as long as that is so', async () => {
    const unavailable = { kind: 'unavailable', message: 'no parser' } as const;
    const { keeper, log, state } = world([unavailable, unavailable, { kind: 'passed' }]);
    for (let times = 0; times < 2; times++) {
      expect(await keeper.review('web', going).catch((problem: unknown) => problem)).to.be.instanceOf(
        ReviewPostponedError,
      );
      expect(keeper.state(state.profile)).to.deep.equal(unavailable);
    }
    await keeper.review('web', going);
    expect(log).to.deep.equal(['compiling', 'unavailable', 'unavailable', 'passed']);
  });

  it('what was found of one spec is not said of another, nor of another object', async () => {
    const { keeper, state } = world([{ kind: 'passed' }]);
    await keeper.review('web', going);
    expect(keeper.state(viewProfile(profileObject({ mode: 'Complain' }), undefined))).to.equal(undefined);
    expect(keeper.state({ ...state.profile, uid: 'new' })).to.equal(undefined);
    expect(keeper.state(profileView({ verdict: { kind: 'refused', errors: [], more: 0 } }))).to.equal(undefined);
    expect(keeper.state(state.profile)).to.deep.equal({ kind: 'passed' });
    keeper.forget('web');
    expect(keeper.state(state.profile)).to.equal(undefined);
  });

  it('forgets that it began when the object is another by now', async () => {
    const { keeper, state, budgets } = world([], { gone: true });
    await keeper.review('web', going);
    expect(keeper.state(state.profile)).to.equal(undefined);
    expect(budgets).to.deep.equal([]);
  });

  for (const [title, profile] of [
    ['being deleted', profileView({ deleting: true })],
    ['refused by the rules', profileView({ verdict: { kind: 'refused', errors: [], more: 0 } })],
    ['unknown', profileView({ name: 'other' })],
  ] as const) {
    it(`does nothing about an object that is ${title}`, async () => {
      const { keeper, budgets } = world([], { profile });
      await keeper.review(title === 'unknown' ? 'nobody' : 'web', going);
      expect(budgets).to.deep.equal([]);
    });
  }

  it('keeps nothing of a trial that was interrupted', async () => {
    const { keeper, log } = world([{ kind: 'refused', errors: [error] }]);
    await keeper.review('web', AbortSignal.abort());
    expect(log).to.deep.equal(['compiling']);
  });
});
