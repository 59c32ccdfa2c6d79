import { expect } from 'chai';
import { issueCertificate } from '../../../../src/admission/certificate/issue.ts';
import {
  created,
  planCertificate,
  promoted,
  retired,
  RETIRED_MS,
  staged,
  STAGED_MS,
} from '../../../../src/admission/certificate/plan.ts';
import {
  authoritiesOf,
  checkCertificate,
  LIFE_MS,
  readCertificate,
  writeCertificate,
  type CertificateState,
  type CheckedCertificate,
} from '../../../../src/admission/certificate/stored.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const names = ['webhook.operator.svc'];
const start = new Date('2030-01-01T00:00:00Z');
const at = (ms: number): Date => new Date(start.getTime() + ms);
const issue = (time: Date, of = names): CheckedCertificate => checkCertificate(issueCertificate(of, time));

describe('planCertificate', () => {
  const current = issue(start);
  const next = issue(at(60 * DAY));
  const steady: CertificateState = { current, previous: [], since: start };
  const stagedAt = 60 * DAY;
  const overlapping: CertificateState = { current, next, previous: [], since: at(stagedAt) };
  const afterwards: CertificateState = { current: next, previous: [current.authority], since: at(stagedAt) };
  const anew: CertificateState = { next, previous: [current.authority], since: at(stagedAt) };

  for (const [title, state, time, expected] of [
    ['new', steady, 0, 'keep'],
    ['the clock is five minutes back', steady, -5 * MINUTE, 'keep'],
    ['the clock is eleven minutes back', steady, -11 * MINUTE, 'create: it is dated 2030-01-01T00:00:00.000Z'],
    [
      'begins in the future',
      { ...steady, since: at(-DAY) },
      -DAY,
      'create: it begins only at 2029-12-31T23:50:00.000Z',
    ],
    ['just before two thirds', steady, 60 * DAY - 10 * MINUTE, 'keep'],
    ['at two thirds', steady, 60 * DAY, 'stage'],
    ['long after two thirds', steady, 89 * DAY, 'stage'],
    ['over', steady, 90 * DAY, 'create: it ended at 2030-04-01T00:00:00.000Z'],
    ['trusted since now', overlapping, stagedAt, 'keep'],
    ['trusted for not quite half an hour', overlapping, stagedAt + STAGED_MS - 1, 'keep'],
    ['trusted for half an hour', overlapping, stagedAt + STAGED_MS, 'promote'],
    ['trusted, and the current one is over', overlapping, 91 * DAY, 'create: it ended at 2030-04-01T00:00:00.000Z'],
    ['served since now', afterwards, stagedAt, 'keep'],
    ['served for not quite an hour', afterwards, stagedAt + RETIRED_MS - 1, 'keep'],
    ['served for an hour', afterwards, stagedAt + RETIRED_MS, 'retire'],
    ['made anew while another was trusted', anew, stagedAt, 'promote'],
    ['without any', { previous: [], since: start }, 0, 'create: it is empty'],
  ] as const satisfies readonly (readonly [string, CertificateState, number, string])[]) {
    it(`${title}: ${expected}`, () => {
      const plan = planCertificate({ kind: 'whole', state }, at(time), names);
      const told = plan.kind === 'create' ? `create: ${plan.reason}` : plan.kind === 'rotate' ? plan.step : plan.kind;
      expect(told).to.equal(expected);
    });
  }

  it('missing, damaged, or for other names: create', () => {
    const plans = [
      planCertificate({ kind: 'missing' }, start, names),
      planCertificate({ kind: 'damaged', reason: 'broken' }, start, names),
      planCertificate({ kind: 'whole', state: steady }, start, [...names, '127.0.0.1', 'other.svc']),
      planCertificate(
        { kind: 'whole', state: { ...overlapping, next: issue(start, ['old.svc']) } },
        at(stagedAt),
        names,
      ),
    ];
    expect(plans).to.deep.equal([
      { kind: 'create', reason: 'there is none' },
      { kind: 'create', reason: 'broken' },
      { kind: 'create', reason: 'it is not for 127.0.0.1, other.svc' },
      { kind: 'create', reason: 'it is not for webhook.operator.svc' },
    ]);
  });

  it('says when to look again', () => {
    expect(planCertificate({ kind: 'whole', state: steady }, start, names)).to.deep.equal({
      kind: 'keep',
      until: new Date(at(60 * DAY).getTime() - (10 * MINUTE) / 3),
    });
    expect(planCertificate({ kind: 'whole', state: overlapping }, at(stagedAt), names)).to.deep.equal({
      kind: 'keep',
      until: at(stagedAt + STAGED_MS),
    });
  });
});

describe('created', () => {
  const pair = issue(start);
  it('serves at once where nothing else is trusted', () => {
    expect(created(pair, [], start)).to.deep.equal({ current: pair, previous: [], since: start });
  });

  it('has to be trusted first otherwise, beside a bounded number of others', () => {
    const others = Array.from({ length: 6 }, () => issue(start).authority);
    const state = created(pair, others, start);
    expect(state).to.deep.equal({ next: pair, previous: others.slice(0, 4), since: start });
    expect(promoted(state, at(5))).to.deep.equal({ current: pair, previous: others.slice(0, 4), since: at(5) });
  });
});

/**
 * A life of two years, every step taken by a leader whose clock is wrong by up to five minutes either way, through the Secret's
 * own form. What a caller sees whose clock is wrong, too, is checked at every step.
 */
describe('the certificate over two years', () => {
  for (const [title, skews] of [
    ['with exact clocks', [0]],
    ['with leaders five minutes ahead and behind in turn', [5 * MINUTE, -5 * MINUTE]],
    ['with a leader five minutes behind, who is late', [-5 * MINUTE]],
  ] as const) {
    it(`${title}: always valid, always trusted, old authorities go`, () => {
      let stored = writeCertificate(created(issue(at(skews[0])), [], at(skews[0])));
      const steps: string[] = [];
      /** When each authority was first and last trusted, and first and last served under. */
      const trusted = new Map<string, { from: number; to: number }>();
      const served = new Map<string, { from: number; to: number }>();
      let time = 0;
      for (let look = 0; time < 2 * 365 * DAY; look++) {
        const skew = skews[look % skews.length] ?? 0;
        const now = at(time + skew);
        const read = readCertificate(stored);
        const plan = planCertificate(read, now, names);
        if (read.kind !== 'whole' || plan.kind === 'create') throw new Error(JSON.stringify(plan));
        const { state } = read;
        for (const callersSkew of [-5 * MINUTE, 0, 5 * MINUTE]) {
          const { leaf } = state.current!;
          expect(leaf.validFromDate.getTime()).to.be.at.most(at(time + callersSkew).getTime());
          expect(leaf.validToDate.getTime()).to.be.above(at(time + callersSkew).getTime() + 25 * DAY);
        }
        authoritiesOf(state).forEach((authority) => extend(trusted, authority, time));
        extend(served, state.current!.authority, time);
        expect(authoritiesOf(state)).to.have.length.at.most(2);
        if (plan.kind === 'keep') {
          // As the work queue does: at the time of this leader's own clock, but not before.
          time = Math.max(time + MINUTE, plan.until.getTime() - start.getTime() - skew);
          continue;
        }
        steps.push(plan.step);
        const after = {
          stage: () => staged(state, issue(now), now),
          promote: () => promoted(state, now),
          retire: () => retired(state, now),
        }[plan.step]();
        stored = writeCertificate(after);
      }
      expect(steps.slice(0, 6)).to.deep.equal(['stage', 'promote', 'retire', 'stage', 'promote', 'retire']);
      expect(served.size).to.be.within(12, 13);
      const [first = '', ...later] = served.keys();
      for (const authority of later) {
        // A replica that learns of a step late still has this long.
        const ahead = served.get(authority)!.from - trusted.get(authority)!.from;
        expect(ahead).to.be.within(STAGED_MS - 11 * MINUTE, STAGED_MS + 11 * MINUTE);
      }
      const overlap = trusted.get(first)!.to - served.get(first)!.to;
      expect(overlap).to.be.within(RETIRED_MS - 11 * MINUTE, RETIRED_MS + 11 * MINUTE);
    });
  }

  it('is made anew after the operator was away for longer than its life', () => {
    const { current } = created(issue(start), [], start);
    const plan = planCertificate(
      { kind: 'whole', state: { current: current!, previous: [], since: start } },
      at(LIFE_MS),
      names,
    );
    expect(plan.kind).to.equal('create');
  });
});

function extend(spans: Map<string, { from: number; to: number }>, key: string, time: number): void {
  const span = spans.get(key);
  if (span === undefined) spans.set(key, { from: time, to: time });
  else span.to = time;
}
