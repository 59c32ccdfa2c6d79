import { expect } from 'chai';
import { setImmediate } from 'node:timers/promises';
import { decodeLedger, encodeLedger } from '../../../src/agent/ledger.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import { binaryOf, compiledOf, ledgerOf, loadOf, wanted } from './objects.ts';
import { bench, pass, reconciler, storeOf } from './reconciler-bench.ts';

const web = wanted('web', { names: ['web', 'web//hat'] });
const web2 = wanted('web', { revision: 'web-r2', names: ['web', 'web//hat'] });
const other = wanted('other');

describe('agent/reconciler', () => {
  it('loads what was compiled before it was started', async () => {
    const of = bench(storeOf(web));
    const { plan, compiling, ledger } = await pass(reconciler(of), [web]);
    expect(plan.policies[0]?.step.kind).to.equal('keep');
    expect([compiling, of.offered]).to.deep.equal([0, [[]]]);
    expect(ledger).to.deep.equal(ledgerOf(web));
    expect(decodeLedger(of.disk.text, 'n')).to.deep.equal(ledgerOf(web));
  });

  it('offers what is not compiled, and loads it then', async () => {
    const of = bench(storeOf());
    const keeper = reconciler(of);
    const first = await pass(keeper, [web, other]);
    expect([first.compiling, of.offered]).to.deep.equal([2, [[web, other]]]);
    await of.store.save(web.fingerprint, binaryOf(web));
    keeper.compiled(web, compiledOf(web));
    keeper.failed(other, { reason: 'CompileFailed', message: 'x' });
    const second = await pass(keeper, [web, other]);
    expect(second.plan.policies.map(({ step }) => step.kind)).to.deep.equal(['keep', 'failed']);
    expect(second.compiling).to.equal(0);
  });

  it('compiles at once, and loads when the next start would want the same', async () => {
    const of = bench(storeOf(web));
    const keeper = reconciler(of);
    const disk = Promise.withResolvers<boolean>();
    const passing = pass(keeper, [web], undefined, [], disk.promise);
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect([of.steps, of.kernel.writes]).to.deep.equal([[], []]);
    disk.resolve(true);
    await passing;
    expect(of.kernel.writes).to.have.length(1);

    const never = new Promise<boolean>(() => {});
    expect((await pass(keeper, [web, other], undefined, [], never)).compiling).to.equal(1);
    expect(of.offered.at(-1)).to.deep.equal([other]);
  });

  it('does not wait for what is slow', async () => {
    const of = bench(storeOf());
    of.slow.add(web.fingerprint);
    expect((await pass(reconciler(of), [web])).compiling).to.equal(0);
  });

  it('reads the list only when the revision moved', async () => {
    const of = bench(storeOf(web));
    const keeper = reconciler(of);
    await pass(keeper, [web]);
    const lists = of.kernel.lists;
    expect(await keeper.moved()).to.equal(false);
    await pass(keeper, [web]);
    expect(of.kernel.lists).to.equal(lists);
    of.kernel.change('else', {});
    expect(await keeper.moved()).to.equal(true);
    await pass(keeper, [web]);
    expect(of.kernel.lists).to.equal(lists + 1);
    expect(await keeper.moved()).to.equal(false);
  });

  it('reads the list once to decide on a load, and once to verify it', async () => {
    const of = bench(storeOf(web));
    await pass(reconciler(of), [web]);
    expect(of.kernel.lists).to.equal(2);
  });

  it('tries again after 5, 10, 20 s what the kernel refuses', async () => {
    const of = bench(storeOf(web));
    const keeper = reconciler(of);
    for (const delay of [5_000, 10_000, 20_000]) {
      of.kernel.refusals = ['ENOMEM'];
      const { retryAt, plan } = await pass(keeper, [web]);
      expect(plan.policies[0]?.step.kind).to.equal('failed');
      expect(retryAt).to.equal(of.clock.now() + delay);
      await pass(keeper, [web]);
      expect(of.kernel.refusals).to.deep.equal([]);
      await of.clock.advance(delay);
    }
    expect((await pass(keeper, [web])).plan.policies[0]?.step.kind).to.equal('keep');
    expect((await pass(keeper, [web])).retryAt).to.equal(undefined);
  });

  it('knows what something else loaded by SHA-1 on kernels before 6.8', async () => {
    const of = bench(storeOf(web));
    of.kernel.hash = 'sha1';
    await of.kernel.load(binaryOf(web));
    const keeper = reconciler(of);
    expect((await pass(keeper, [web])).ledger.rows.get('web')).to.include({ origin: 'adopted' });
    const other = bench(storeOf(web));
    other.kernel.hash = 'sha1';
    other.kernel.change('web', { rawSha1: 'ff' });
    expect((await pass(reconciler(other), [web])).plan.policies[0]?.step.kind).to.equal('conflict');
  });

  it('forgets failures of what is no longer wanted', async () => {
    const of = bench(storeOf(web));
    const keeper = reconciler(of);
    of.kernel.refusals = ['ENOMEM'];
    await pass(keeper, [web]);
    expect((await pass(keeper, [])).retryAt).to.equal(undefined);
  });

  it('compiles again what is no longer on the disk', async () => {
    const of = bench(storeOf(web));
    of.store.read = async () => undefined;
    const { plan } = await pass(reconciler(of), [web]);
    expect(plan.policies[0]?.step.kind).to.equal('compile');
  });

  it('does not compile for ever what the disk does not keep', async () => {
    const of = bench(storeOf(web));
    const { store } = of;
    const read = store.read.bind(store);
    of.store.read = async () => undefined;
    const keeper = reconciler(of);
    await pass(keeper, [web]);
    keeper.compiled(web, compiledOf(web));
    const { plan, retryAt } = await pass(keeper, [web]);
    const step = plan.policies[0]?.step;
    expect(step?.kind === 'failed' ? step.failure.message : '').to.contain('look at its disk');
    expect(retryAt).to.equal(of.clock.now() + 10_000);
    await of.clock.advance(10_000);
    of.store.read = read;
    expect((await pass(keeper, [web])).plan.policies[0]?.step.kind).to.equal('compile');
    keeper.compiled(web, compiledOf(web));
    expect((await pass(keeper, [web])).plan.policies[0]?.step.kind).to.equal('keep');
  });

  it('says again after a restart what the compiler warned of', async () => {
    const of = bench(storeOf());
    const keeper = reconciler(of);
    await pass(keeper, [web]);
    const warning = { message: 'userns rules not enforced' };
    await of.store.save(web.fingerprint, binaryOf(web));
    keeper.compiled(web, { ...compiledOf(web), warning });
    await pass(keeper, [web]);
    const { plan, ledger } = await pass(reconciler(of, 'boot-2'), [web]);
    const step = plan.policies[0]?.step;
    expect(step?.kind === 'keep' || step?.kind === 'load' ? step.load.warning : undefined).to.deep.equal(warning);
    expect(ledger.loads.get(loadOf(web).id)?.warning).to.deep.equal(warning);
  });

  it('takes over where the object says so, and says that it did', async () => {
    const of = bench(storeOf(web));
    of.kernel.change('web', { rawSha256: 'ff' });
    const { ledger } = await pass(reconciler(of), [{ ...web, conflictPolicy: 'Replace' }]);
    expect(ledger.rows.get('web')).to.deep.include({
      origin: 'takenOver',
      corrected: { what: 'TakenOver', time: '2030-01-01T00:00:00.000Z' },
    });
    expect(ledger.rows.get('web')).to.not.have.property('loadedSince');
  });

  it('says so if the last good policy is no longer on the disk', async () => {
    const of = bench(storeOf());
    of.disk.text = encodeLedger(ledgerOf(web), 'n');
    const keeper = reconciler(of, 'boot-2');
    keeper.failed(web2, { reason: 'CompileFailed', message: 'x' });
    const { plan } = await pass(keeper, [web2]);
    expect(plan.policies[0]?.fallback?.kind).to.equal('failed');
  });

  it('does not trust a stored policy that cannot be read', async () => {
    const of = bench(storeOf());
    await of.store.save(web.fingerprint, Buffer.from('junk'));
    expect((await pass(reconciler(of), [web])).plan.policies[0]?.step.kind).to.equal('compile');
  });

  it('forgets rows of what is gone, and keeps what is retained', async () => {
    const of = bench(storeOf(web, other));
    const keeper = reconciler(of);
    await pass(keeper, [web, other]);
    await of.kernel.remove('web');
    const { plan, ledger } = await pass(keeper, []);
    expect(plan.retained.map(({ profile }) => profile)).to.deep.equal(['other']);
    expect([...ledger.rows.keys()]).to.deep.equal(['other']);
  });

  describe('killed at any step', () => {
    const scenarios: { name: string; before: WantedPolicy[]; wanted: WantedPolicy[]; origin: string }[] = [
      { name: 'of a first load', before: [], wanted: [web], origin: 'created' },
      { name: 'of a replacement', before: [web], wanted: [web2], origin: 'created' },
    ];
    for (const { name, before, wanted: policies, origin } of scenarios) {
      for (let crashAt = 1; crashAt <= 6; crashAt++) {
        it(`${name}: kernel, ledger and plan agree after step ${crashAt}`, async () => {
          const of = bench(storeOf(web, web2));
          if (before.length > 0) await pass(reconciler(of), before);
          of.steps = [];
          of.crashAt = crashAt;
          const died = await pass(reconciler(of), policies).then(
            () => false,
            () => true,
          );
          expect(died).to.equal(true);
          const heldThen = of.kernel.held.get('web')?.rawSha256;
          if (before.length > 0) expect(heldThen).to.not.equal(undefined);

          delete of.crashAt;
          const { plan, ledger } = await pass(reconciler(of), policies);
          expect(plan.policies[0]?.step.kind).to.equal('keep');
          expect(ledger.rows.get('web')).to.include({ origin });
          expect(of.kernel.held.get('web')?.rawSha256).to.equal(loadOf(policies[0] ?? web).sha256);
          expect(decodeLedger(of.disk.text, 'n')).to.deep.equal(ledger);
        });
      }
    }

    it('has just these steps', async () => {
      const of = bench(storeOf(web));
      await pass(reconciler(of), [web]);
      expect(of.steps).to.deep.equal([
        'before ledger',
        'after ledger',
        'before load',
        'after load',
        'before ledger',
        'after ledger',
      ]);
    });
  });

  it('goes on within the same process after a failure between load and completion', async () => {
    const of = bench(storeOf(web));
    of.crashAt = 4;
    const keeper = reconciler(of);
    await pass(keeper, [web]).catch(() => undefined);
    delete of.crashAt;
    const { plan, ledger } = await pass(keeper, [web]);
    expect(plan.policies[0]?.step.kind).to.equal('keep');
    expect(ledger.rows.get('web')).to.include({ origin: 'created' });
    expect(of.kernel.writes).to.have.length(1);
  });
});
