import { expect } from 'chai';
import type { AdmissionAnswer, AdmissionRequest } from '../../../../src/admission/admission-review.ts';
import { createProfileReviewHandler } from '../../../../src/admission/review/handler.ts';
import type { Claimant } from '../../../../src/admission/review/name-owners.ts';
import type { PodsInUse } from '../../../../src/admission/review/pods-in-use.ts';
import { REVIEW_PATH } from '../../../../src/controller/webhooks/review-webhook.ts';
import { REVIEW, type TrialOutcome, type TrialRequest } from '../../../../src/admission/review/trial.ts';
import type { AppArmorProfile } from '../../../../src/api/generated/index.ts';
import { fakeLogger, going } from '../../controller/fake-client.ts';
import { profileObject } from '../../controller/objects.ts';

/** A text that no rule has anything to say about. */
const QUIET = (name: string): string =>
  `abi <abi/4.0>,\nprofile ${name} {\n  file,\n  signal (receive),\n  include <abstractions/base>\n}\n`;

interface World {
  trial?: TrialOutcome;
  claimants?: Claimant[];
  inForce?: { profiles: string[]; nodeSelector: Record<string, string> };
  pods?: PodsInUse;
}

async function answer(
  request: Partial<AdmissionRequest>,
  world: World = {},
): Promise<{ answer: AdmissionAnswer; tried: TrialRequest[]; counted: (readonly string[])[] }> {
  const tried: TrialRequest[] = [];
  const counted: (readonly string[])[] = [];
  const handler = createProfileReviewHandler({
    trial: {
      try(request) {
        tried.push(request);
        return Promise.resolve(world.trial ?? { kind: 'passed' });
      },
      stop: () => Promise.resolve(),
    },
    budget: REVIEW,
    claimants: () => world.claimants ?? [],
    inForce: () => world.inForce,
    podsUsing(profiles) {
      counted.push(profiles);
      return Promise.resolve(world.pods ?? { pods: 0, complete: true });
    },
    logger: fakeLogger(),
  });
  const whole: AdmissionRequest = {
    uid: '1',
    operation: 'CREATE',
    kind: { group: 'apparmor-operator.dev', version: 'v1alpha1', kind: 'AppArmorProfile' },
    resource: { group: 'apparmor-operator.dev', version: 'v1alpha1', resource: 'apparmorprofiles' },
    userInfo: {},
    ...request,
  };
  return { answer: await handler(whole, going, REVIEW_PATH), tried, counted };
}

const web = (change: Partial<AppArmorProfile['spec']> = {}, metadata: object = {}): AppArmorProfile =>
  profileObject({ policy: QUIET('web'), ...change }, metadata);

const old: Claimant = {
  name: 'old',
  uid: 'uid-old',
  creationTimestamp: '2029-01-01T00:00:00Z',
  heldBack: false,
  inForce: { profiles: ['web'], nodeSelector: {} },
};

function messageOf({ answer }: { answer: AdmissionAnswer }): string {
  return answer.allowed ? 'allowed' : answer.message;
}

describe('createProfileReviewHandler', () => {
  it('accepts a good object after a trial of every text, without a word', async () => {
    const variants = [{ nodeSelector: { os: 'ubuntu' }, policy: QUIET('web') }];
    const { answer: given, tried } = await answer({ object: web({ variants, mode: 'Complain' }) });
    expect(given).to.deep.equal({ allowed: true, warnings: [] });
    expect(tried.map(({ texts, mode }) => [texts.map(({ field }) => field), mode])).to.deep.equal([
      [['policy', 'variants[0].policy'], 'Complain'],
    ]);
  });

  it('refuses what the rules refuse, with field, line, rule and remedy, and compiles nothing of it', async () => {
    const bad = { nodeSelector: { os: 'ubuntu' }, policy: 'profile web {\n  file,\n}\nprofile unconfined { file, }\n' };
    const { answer: given, tried } = await answer({ object: web({ variants: [bad] }) });
    expect(given).to.deep.include({ allowed: false, code: 422, reason: 'Invalid' });
    expect(messageOf({ answer: given }).split('\n')[1]).to.match(
      /^- variants\[0\]\.policy, line 4: .*reserved.* \(rule reserved-name\); choose another name/,
    );
    expect(tried).to.deep.equal([]);
  });

  it('refuses a name that another object owns, and compiles nothing of it', async () => {
    const given = await answer({ object: web() }, { claimants: [old] });
    expect(messageOf(given)).to.match(/^the profile web belongs to AppArmorProfile old \(rule name-owned\); rename/);
    expect(given.tried).to.deep.equal([]);
    const elsewhere = { ...old, inForce: { profiles: ['web'], nodeSelector: { os: 'debian' } } };
    const apart = await answer({ object: web({ nodeSelector: { os: 'ubuntu' } }) }, { claimants: [elsewhere] });
    expect(messageOf(apart)).to.equal('allowed');
  });

  it('an object without a time is younger than all others', async () => {
    const { metadata, spec } = web();
    const { creationTimestamp: _, uid: __, ...rest } = metadata;
    const claimant = { ...old, creationTimestamp: '2990-01-01T00:00:00Z', wanted: old.inForce! };
    const { inForce: ___, ...unpublished } = claimant;
    const given = await answer({ object: { metadata: rest, spec } }, { claimants: [unpublished] });
    expect(messageOf(given)).to.contain('belongs to AppArmorProfile old');
  });

  it('refuses what does not compile', async () => {
    const error = {
      rule: 'compile-failed',
      severity: 'error',
      field: 'policy',
      message: 'bad',
      remedy: 'fix',
    } as const;
    const trial: TrialOutcome = { kind: 'refused', errors: [{ ...error, position: { line: 2, column: 1 } }] };
    expect(messageOf(await answer({ object: web() }, { trial }))).to.equal('line 2: bad (rule compile-failed); fix');
  });

  for (const [trial, warning] of [
    [{ kind: 'unfinished', why: 'slow' }, /^not compiled within 8 s; .*\(compile-unfinished\)$/],
    [{ kind: 'unfinished', why: 'busy' }, /\(compile-unfinished\)$/],
    [{ kind: 'unavailable', message: 'no parser' }, /^not compiled, .*\(compile-skipped\)$/],
  ] as const) {
    it(`accepts with a warning where the trial is ${trial.kind}${trial.kind === 'unfinished' ? `, ${trial.why}` : ''}`, async () => {
      const { answer: given } = await answer({ object: web() }, { trial });
      expect(given.allowed).to.equal(true);
      expect(given.warnings).to.have.length(1);
      expect(given.warnings?.[0]).to.match(warning);
    });
  }

  it('warns of what the rules warn of, also where it refuses', async () => {
    const policy = QUIET('web').replace('file,', 'file,\n  deny /x w,');
    const accepted = await answer({ object: web({ policy, mode: 'Complain' }) });
    expect(accepted.answer.warnings?.join()).to.contain('(deny-in-complain)');
    const refused = await answer({
      object: web({ policy: `${policy}profile unconfined { file, }`, mode: 'Complain' }),
    });
    expect(refused.answer.allowed).to.equal(false);
    expect(refused.answer.warnings?.join()).to.contain('(deny-in-complain)');
  });

  it('lets pass what does not change the spec, even one that is refused by now', async () => {
    const bad = web({ policy: 'nonsense' });
    const labelled = { ...bad, metadata: { ...bad.metadata, labels: { a: 'b' } } };
    const passed = await answer({ operation: 'UPDATE', object: labelled, oldObject: bad });
    expect([passed.answer, passed.tried]).to.deep.equal([{ allowed: true, warnings: [] }, []]);
    const changed = await answer({ operation: 'UPDATE', object: web({ policy: 'other nonsense' }), oldObject: bad });
    expect(changed.answer.allowed).to.equal(false);
  });

  it('lets pass an object that is being deleted', async () => {
    const object = web({ policy: 'nonsense' }, { deletionTimestamp: '2030-01-02T00:00:00Z' });
    expect((await answer({ operation: 'UPDATE', object, oldObject: web() })).answer.allowed).to.equal(true);
  });

  it('an object keeps the names that it has', async () => {
    const inForce = { profiles: ['web'], nodeSelector: {} };
    const young = { ...old, creationTimestamp: '2031-01-01T00:00:00Z' };
    const given = await answer(
      { operation: 'UPDATE', object: web({ mode: 'Complain' }), oldObject: web() },
      { inForce, claimants: [young] },
    );
    expect(messageOf(given)).to.equal('allowed');
  });

  it('warns when a name goes that pods use', async () => {
    const given = await answer(
      { operation: 'UPDATE', object: web({ policy: QUIET('new') }), oldObject: web() },
      { pods: { pods: 3, complete: true }, inForce: { profiles: ['before', 'web'], nodeSelector: {} } },
    );
    expect(given.counted).to.deep.equal([['web', 'before']]);
    expect(given.answer.warnings?.[0]).to.match(
      /^3 pods still name 2 profiles of it, which the new text lacks.*\(profile-in-use\)$/,
    );
  });

  it('counts no pods where no name goes', async () => {
    const given = await answer({ operation: 'UPDATE', object: web({ mode: 'Complain' }), oldObject: web() });
    expect(given.counted).to.deep.equal([]);
  });

  for (const [pods, warning] of [
    [{ pods: 0, complete: true }, undefined],
    [{ pods: 0, complete: false }, undefined],
    [{ pods: 1, complete: true }, /^1 pod still names web, which no object defines then/],
    [{ pods: 7, complete: false }, /^at least 7 pods still name web/],
  ] as const) {
    it(`deletes with ${JSON.stringify(pods)}`, async () => {
      const given = await answer({ operation: 'DELETE', oldObject: web() }, { pods });
      expect(given.answer.allowed).to.equal(true);
      expect(given.tried).to.deep.equal([]);
      if (warning === undefined) expect(given.answer.warnings).to.deep.equal([]);
      else expect(given.answer.warnings?.[0]).to.match(warning);
    });
  }

  it('answers what has no object', async () => {
    expect((await answer({ operation: 'DELETE' })).answer).to.deep.equal({ allowed: true, warnings: [] });
    expect((await answer({ operation: 'CREATE' })).answer).to.deep.equal({ allowed: true, warnings: [] });
  });
});
