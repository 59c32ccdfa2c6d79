import { expect } from 'chai';
import { decodeLedger, EMPTY_LEDGER, withUnloading } from '../../../src/agent/ledger.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import type { PassResult, Reconciler } from '../../../src/agent/reconciler.ts';
import type { UnloadPermission } from '../../../src/agent/unloader.ts';
import { KernelWriteError } from '../../../src/kernel/write-error.ts';
import { UNREADABLE } from '../kernel/in-memory-processes.ts';
import { BOOT, ledgerOf, loadOf, recorded, wanted } from './objects.ts';
import { bench, pass, reconciler, storeOf } from './reconciler-bench.ts';
import type { Bench } from './reconciler-bench.ts';

const web = wanted('web', { names: ['web', 'web//hat'] });
const again = wanted('web', { ...web, object: { ...web.object, uid: 'uid-again' } });

describe('agent/reconciler: removal of what nobody wants', () => {
  let of: Bench;
  let keeper: Reconciler;

  beforeEach(async () => {
    of = bench(storeOf(web));
    keeper = reconciler(of);
    await pass(keeper, [web]);
    of.steps = [];
  });

  function granted(...profiles: string[]): UnloadPermission {
    const expires = new Date(of.clock.date().getTime() + 300_000).toISOString();
    return { allowed: true, grants: profiles.map((profile) => ({ profile, revision: 'web-r1', expires })) };
  }

  const held = (): string[] => [...of.kernel.held.keys()];

  it('removes it with its children, and forgets it, in one pass', async () => {
    const { ledger, plan, retryAt } = await pass(keeper, [], granted('web'));
    expect(held()).to.deep.equal([]);
    expect([ledger, decodeLedger(of.disk.text, 'n')]).to.deep.equal([EMPTY_LEDGER, EMPTY_LEDGER]);
    expect([plan.retained, plan.removals, retryAt]).to.deep.equal([[], [], undefined]);
  });

  it('does so in just these steps, the intent first and the look directly before', async () => {
    of.processes.beforeLook = () => void of.steps.push('look');
    await pass(keeper, [], granted('web'));
    expect(of.steps).to.deep.equal([
      'look',
      'before ledger',
      'after ledger',
      'look',
      'before remove',
      'after remove',
      'before ledger',
      'after ledger',
    ]);
  });

  it('keeps it while the next start would want it back', async () => {
    await pass(keeper, [], granted('web'), [], Promise.resolve(false));
    expect([held(), of.steps]).to.deep.equal([['web', 'web//hat'], []]);
    await pass(keeper, [], granted('web'));
    expect(held()).to.deep.equal([]);
  });

  it('keeps it without a grant, and looks once a minute', async () => {
    expect(whyOf(await pass(keeper, []))).to.equal('notGranted');
    await pass(keeper, []);
    expect([held().length, of.processes.looks, await keeper.moved()]).to.deep.equal([2, 1, false]);
    await of.clock.advance(60_000);
    expect(await keeper.moved()).to.equal(true);
  });

  it('looks at no process while everything is wanted', async () => {
    await pass(keeper, [web], granted('web'));
    await of.clock.advance(120_000);
    expect([await keeper.moved(), of.processes.looks]).to.deep.equal([false, 0]);
  });

  for (const who of ['web', UNREADABLE]) {
    it(`keeps it while a process is ${who}, and removes it within one poll of its end`, async () => {
      of.processes.running.set('20', who);
      const before = await pass(keeper, [], granted('web'));
      expect([whyOf(before), held()]).to.deep.equal(['inUse', ['web', 'web//hat']]);
      expect([await keeper.moved(), of.steps]).to.deep.equal([false, []]);
      of.processes.running.clear();
      expect(await keeper.moved()).to.equal(true);
      await pass(keeper, [], granted('web'));
      expect(held()).to.deep.equal([]);
    });
  }

  it('keeps it if a process has entered it at the last moment', async () => {
    of.processes.beforeLook = () => {
      if (of.processes.looks === 2) of.processes.running.set('20', 'web');
    };
    expect(whyOf(await pass(keeper, [], granted('web')))).to.equal('inUse');
    expect(held()).to.have.length(2);
    expect(of.steps).to.not.include('before remove');
  });

  it('keeps it while the processes cannot be seen', async () => {
    of.processes.hidden = true;
    expect(whyOf(await pass(keeper, [], granted('web')))).to.equal('inUse');
    expect(held()).to.have.length(2);
  });

  it('keeps it if the intent cannot be written', async () => {
    of.cannotWrite = true;
    const { retryAt } = await pass(keeper, [], granted('web'));
    expect([held().length, of.steps.includes('before remove')]).to.deep.equal([2, false]);
    expect(retryAt).to.equal(of.clock.now() + 1_000);
  });

  it('tries again after 5, 10 s what the kernel refuses, and says so', async () => {
    const { kernel } = of;
    const remove = kernel.remove.bind(kernel);
    of.kernel.remove = () => Promise.reject(new KernelWriteError('remove', 'EACCES'));
    for (const delay of [5_000, 10_000]) {
      const { retryAt, plan } = await pass(keeper, [], granted('web'));
      expect(retryAt).to.equal(of.clock.now() + delay);
      const why = plan.waiting[0]?.why;
      expect(why?.kind === 'failed' ? why.failure : undefined).to.include({ reason: 'KernelRefused' });
      await of.clock.advance(delay);
    }
    of.kernel.remove = remove;
    await pass(keeper, [], granted('web'));
    expect(held()).to.deep.equal([]);
  });

  it('takes one that somebody else removed meanwhile for removed', async () => {
    const { kernel } = of;
    const remove = kernel.remove.bind(kernel);
    of.kernel.remove = async (name) => {
      await remove(name);
      await remove(name);
    };
    expect((await pass(keeper, [], granted('web'))).ledger).to.deep.equal(EMPTY_LEDGER);
  });

  it('does not believe that it is gone before the kernel shows it', async () => {
    of.kernel.remove = () => Promise.resolve();
    const { plan, ledger } = await pass(keeper, [], granted('web'));
    const why = plan.waiting[0]?.why;
    expect(why?.kind === 'failed' ? why.failure : undefined).to.include({ reason: 'VerifyFailed' });
    expect([...ledger.rows.keys()]).to.deep.equal(['web']);
  });

  it('passes on what it does not know', async () => {
    of.kernel.remove = () => Promise.reject(new TypeError('bug'));
    const error = await pass(keeper, [], granted('web')).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(TypeError);
  });

  describe('of many', () => {
    const MANY = 34;
    let permission: UnloadPermission;

    beforeEach(async () => {
      const many = Array.from({ length: MANY }, (_, at) => wanted(`many${at}`));
      of = bench(storeOf(...many));
      keeper = reconciler(of);
      await pass(keeper, many);
      const expires = new Date(of.clock.date().getTime() + 300_000).toISOString();
      const grants = many.map(({ revision, profiles: [profile = ''] }) => ({ profile, revision, expires }));
      permission = { allowed: true, grants };
    });

    it('removes 32 at most in one pass after one look, and goes on after a second', async () => {
      const { retryAt } = await pass(keeper, [], permission);
      expect([held().length, of.processes.looks, retryAt]).to.deep.equal([2, 2, of.clock.now() + 1_000]);
      await pass(keeper, [], permission);
      expect(held()).to.deep.equal([]);
    });

    it('does not trust a look that is more than a second old', async () => {
      const { kernel } = of;
      const remove = kernel.remove.bind(kernel);
      of.kernel.remove = async (name) => {
        await of.clock.advance(400);
        await remove(name);
      };
      await pass(keeper, [], permission);
      expect(held()).to.have.length(MANY - 3);
      await pass(keeper, [], permission);
      expect([held().length, of.processes.looks]).to.deep.equal([MANY - 6, 3]);
    });

    it('keeps those alone that a process has entered at the last moment', async () => {
      of.processes.beforeLook = () => {
        if (of.processes.looks === 2) of.processes.running.set('20', 'many3');
      };
      await pass(keeper, [], permission);
      await pass(keeper, [], permission);
      expect(held()).to.deep.equal(['many3']);
    });
  });

  it('waits a minute where the object lives, and wakes by itself', async () => {
    const object = { uid: 'uid-web', name: 'web', profiles: new Set(['web']) };
    const { retryAt } = await pass(keeper, [], granted('web'), [object]);
    expect(retryAt).to.equal(of.clock.now() + 60_000);
    await of.clock.advance(30_000);
    // A label that came back and went again: the minute begins anew.
    await pass(keeper, [web], granted('web'));
    const later = await pass(keeper, [], granted('web'), [object]);
    expect([held().length, later.retryAt]).to.deep.equal([2, of.clock.now() + 60_000]);
    await of.clock.advance(60_000);
    await pass(keeper, [], granted('web'), [object]);
    expect(held()).to.deep.equal([]);
  });

  it('takes it up again without a load when its object is created again', async () => {
    await pass(keeper, [], granted());
    const { plan, ledger } = await pass(keeper, [again], granted('web'));
    expect(plan.policies[0]?.step.kind).to.equal('keep');
    expect(ledger.rows.get('web')).to.include({ object: 'uid-again', origin: 'created' });
    expect(of.kernel.writes).to.have.length(1);
  });

  it('reports no drift when it loads what it had removed itself', async () => {
    await pass(keeper, [], granted('web'));
    const { ledger } = await pass(keeper, [web]);
    expect(ledger).to.deep.equal(ledgerOf(web));
  });

  it('reports drift again after a removal that was begun and given up', async () => {
    of.processes.beforeLook = () => {
      if (of.processes.looks === 2) of.processes.running.set('20', 'web');
    };
    await pass(keeper, [], granted('web'));
    expect((await pass(keeper, [web])).ledger).to.deep.equal(ledgerOf(web));
    await of.kernel.remove('web');
    expect((await pass(keeper, [web])).ledger.rows.get('web')?.corrected?.what).to.equal('Unloaded');
  });

  describe('killed at any step', () => {
    const scenarios: { name: string; wanted: WantedPolicy[]; is: ReturnType<typeof ledgerOf> }[] = [
      { name: 'and nobody wants it', wanted: [], is: EMPTY_LEDGER },
      { name: 'and its object is there again', wanted: [web], is: ledgerOf(web) },
      { name: 'and its object was created again', wanted: [again], is: recorded(EMPTY_LEDGER, again) },
    ];
    for (const { name, wanted: policies, is } of scenarios) {
      for (let crashAt = 1; crashAt <= 6; crashAt++) {
        it(`${name}: kernel, ledger and plan agree after step ${crashAt}`, async () => {
          of.crashAt = crashAt;
          const died = await pass(keeper, [], granted('web')).then(
            () => false,
            () => true,
          );
          expect(died).to.equal(true);
          delete of.crashAt;
          const { plan, ledger } = await pass(reconciler(of), policies, granted('web'));
          expect(ledger).to.deep.equal(is);
          expect(decodeLedger(of.disk.text, 'n')).to.deep.equal(is);
          expect(held()).to.deep.equal(policies.length === 0 ? [] : ['web', 'web//hat']);
          expect(plan.retained).to.deep.equal([]);
        });
      }
    }
  });

  it('keeps the mark of a removal out of what is loaded', () => {
    const ledger = withUnloading(ledgerOf(web), 'web', BOOT);
    expect(ledger.rows.get('web')).to.include({ unloading: BOOT });
    expect(withUnloading(ledger, 'other', BOOT)).to.equal(ledger);
    expect(recorded(ledger, web)).to.deep.equal(ledgerOf(web));
    expect(loadOf(web).profiles).to.have.length(2);
  });
});

function whyOf({ plan }: PassResult): string | undefined {
  return plan.waiting[0]?.why.kind;
}
