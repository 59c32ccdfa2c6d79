import { expect } from 'chai';
import { isNotFound } from '../../../src/kube/errors.ts';
import { INPUT_OUTCOMES } from '../../inputs/outcomes.ts';
import { waitFor } from '../../testbed/process.ts';
import { readInput } from '../../unit/policy/read-input.ts';
import { controlPlane } from '../fixture.ts';
import { getProfile, profileWhen, revisionsOf } from '../controller/operator.ts';
import { createPod, removePod } from '../controller/pods.ts';
import { policy, withController } from '../controller/running.ts';
import { createProfile, deleteProfile, patchProfile } from './review-call.ts';

describe('admission: the review at kubectl apply', function () {
  this.timeout(240_000);
  const running = withController();

  before('wait until the API server calls the review', async () => {
    await waitFor('the review to be called', { deadlineMs: 30_000 }, async () => {
      const { status } = await createProfile('review-bad', { policy: '# nothing' }, '?dryRun=All');
      return status === 422;
    });
  });

  describe('test/inputs', () => {
    for (const { input, outcome, rules, warnings, line, compile } of INPUT_OUTCOMES) {
      const compiles = outcome === 'refused' || compile === 'ok' || compile === 'CompileTimeout';
      it(`${input}: ${compiles ? outcome : 'does not compile'}`, async () => {
        const answer = await createProfile('review-input', { policy: readInput(input) }, '?dryRun=All');
        const isRefused = outcome === 'refused' || !compiles;
        expect([answer.status, isRefused ? '' : answer.message]).to.deep.equal([isRefused ? 422 : 201, '']);
        expect(rulesIn(answer.message)).to.deep.equal(
          outcome === 'refused' ? rules : compiles ? [] : ['compile-failed'],
        );
        if (outcome === 'refused' && line !== undefined) expect(answer.message).to.contain(`line ${line}: `);
        const unfinished = outcome === 'accepted' && compile === 'CompileTimeout' ? ['compile-unfinished'] : [];
        expect(warnedRules(answer.warnings)).to.deep.equal([...warnings, ...unfinished]);
      });
    }
  });

  it('kubectl prints the line, what is wrong, the rule and what to do', async () => {
    const spec = { policy: 'profile review-kubectl {\n  file,\n  capability nonsense,\n}\n' };
    const object = {
      apiVersion: 'apparmor-operator.dev/v1alpha1',
      kind: 'AppArmorProfile',
      metadata: { name: 'review-kubectl' },
      spec,
    };
    const created = await controlPlane().kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
    expect(created.code).to.equal(1);
    expect(created.stderr).to.match(
      /denied the request: line 3: .*nonsense.* \(rule compile-failed\); correct the policy/,
    );
    const missing = await getProfile(running.client(), 'review-kubectl').catch((error: unknown) => error);
    expect(missing).to.satisfy(isNotFound);
  });

  it('a refused update leaves the stored object as it was', async () => {
    const name = running.newName('review-update');
    expect(await createProfile(name, { policy: policy(name) })).to.deep.include({ status: 201 });
    const { status, message } = await patchProfile(name, { spec: { policy: `profile ${name} {\n  @{NOT} r,\n}\n` } });
    expect(status).to.equal(422);
    expect(message).to.contain('line 2: ').and.to.contain('(rule compile-failed)');
    const stored = await getProfile(running.client(), name);
    expect([stored.spec.policy, stored.metadata.generation]).to.deep.equal([policy(name), 1]);
  });

  it('a name that another object owns is refused, unless no node can be both', async () => {
    const [owner, other] = [running.newName('review-owner'), running.newName('review-other')];
    await createProfile(owner, { policy: policy(owner), nodeSelector: { os: 'ubuntu' } });
    await waitFor('the review to know of it', { deadlineMs: 10_000 }, async () => {
      const { status, message } = await createProfile(other, { policy: policy(owner) }, '?dryRun=All');
      return status === 422 && message.includes(`belongs to AppArmorProfile ${owner} (rule name-owned)`);
    });
    // The owner is the older by creation time, which has whole seconds.
    const { metadata } = await getProfile(running.client(), owner);
    const later = Date.parse(metadata.creationTimestamp) + 1000;
    await waitFor('another second', { deadlineMs: 5000 }, () => Date.now() >= later);
    const apart = { policy: policy(owner), nodeSelector: { os: 'debian' } };
    expect(await createProfile(other, apart)).to.deep.include({ status: 201 });
    await profileWhen(running.client(), other, 'published', ({ status }) => status?.revision !== undefined);
    const wider = await patchProfile(other, { spec: { nodeSelector: null } });
    expect(wider.message).to.contain('(rule name-owned)');
  });

  it('deleting or renaming what pods use is warned of, with their number', async () => {
    const name = running.newName('review-used');
    await createProfile(name, { policy: policy(name) });
    await running.operator().createNode('review-node');
    for (const pod of ['review-pod-1', 'review-pod-2']) await createPod(running.client(), pod, 'review-node', name);
    try {
      const renamed = await patchProfile(name, { spec: { policy: policy(`${name}-new`) } });
      expect(renamed.status).to.equal(200);
      expect(renamed.warnings.join()).to.match(new RegExp(`2 pods still name ${name}, .*profile-in-use`));
      await patchProfile(name, { spec: { policy: policy(name) } });
      const deleted = await deleteProfile(name, { dryRun: ['All'] });
      expect(deleted.warnings.join()).to.match(/2 pods still name .*profile-in-use/);
      await removePod('review-pod-1');
      const second = await deleteProfile(name, { dryRun: ['All'] });
      expect(second.warnings.join()).to.contain('1 pod still names');
    } finally {
      for (const pod of ['review-pod-1', 'review-pod-2']) await removePod(pod);
    }
    expect((await deleteProfile(name)).warnings).to.deep.equal([]);
  });

  it('a dry run publishes nothing', async () => {
    const [tried, kept] = [running.newName('review-dry'), running.newName('review-kept')];
    await createProfile(tried, { policy: policy(tried) }, '?dryRun=All');
    await createProfile(kept, { policy: policy(kept) });
    await profileWhen(running.client(), kept, 'published', ({ status }) => status?.revision !== undefined);
    expect(await getProfile(running.client(), tried).catch((error: unknown) => error)).to.satisfy(isNotFound);
  });

  it('an explosive policy beside ten good ones: these are published in their usual time', async () => {
    const slow = running.newName('review-explosive');
    const good = Array.from({ length: 10 }, (_, index) => running.newName(`review-good-${index}`));
    const began = Date.now();
    const explosive = readInput('dfa-explosion').replace('profile f', `profile ${slow}`);
    const exploding = createProfile(slow, { policy: explosive });
    const answers = await Promise.all(good.map((name) => createProfile(name, { policy: policy(name) })));
    expect(answers.map(({ status }) => status)).to.deep.equal(good.map(() => 201));
    for (const name of good) {
      await profileWhen(running.client(), name, 'published', ({ status }) => status?.revision !== undefined);
    }
    const goodMs = Date.now() - began;
    const accepted = await exploding;
    expect(accepted.status).to.equal(201);
    expect(warnedRules(accepted.warnings)).to.include('compile-unfinished');
    // The explosive one alone takes longer than this at its review.
    expect(goodMs).to.be.lessThan(8000);
    await profileWhen(running.client(), slow, 'compiling', ({ status }, ready) => {
      const [first] = status?.conditions ?? [];
      return ready === 'Unknown/Progressing' && first?.message.includes('on trial') === true;
    });
    const { metadata, status } = await waitFor('it to be given up', { deadlineMs: 180_000 }, async () => {
      const profile = await getProfile(running.client(), slow);
      return profile.status?.conditions?.some(({ type }) => type === 'Stalled') ? profile : undefined;
    });
    const stalled = status?.conditions?.find(({ type }) => type === 'Stalled');
    expect(stalled?.reason).to.equal('PolicyRefused');
    expect(stalled?.message).to.match(/\(rule compile-(timeout|out-of-memory)\); simplify .*nothing is published/);
    expect(await revisionsOf(running.client(), metadata.uid)).to.deep.equal([]);
    // What was found out in the background, the same replica says at once.
    const again = { policy: explosive, nodeSelector: { review: 'again' } };
    const refused = await createProfile(`${slow}-again`, again, '?dryRun=All');
    expect(rulesIn(refused.message)).to.have.length(1);
    expect(refused.message).to.match(/\(rule compile-(timeout|out-of-memory)\)/);
  });
});

/** Ids of the rules in a refusal, each once. */
function rulesIn(message: string): string[] {
  return [...new Set([...message.matchAll(/\(rule ([a-z-]+)\)/g)].map(([, rule]) => rule ?? ''))];
}

function warnedRules(warnings: readonly string[]): string[] {
  return [...new Set(warnings.map((warning) => /\(([a-z-]+)\)$/.exec(warning)?.[1] ?? warning))];
}
