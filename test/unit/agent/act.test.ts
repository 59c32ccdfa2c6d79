import { expect } from 'chai';
import { setImmediate } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { carryOut } from '../../../src/agent/act.ts';
import type { ActParts, ActResult } from '../../../src/agent/act.ts';
import type { CompiledStore } from '../../../src/agent/compiled-store.ts';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import type { Ledger } from '../../../src/agent/ledger.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import type { AgentMetrics } from '../../../src/agent/metrics.ts';
import { planNode } from '../../../src/agent/plan.ts';
import type { PlanInput } from '../../../src/agent/plan.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { createManualClock } from '../kube/manual-clock.ts';
import type { ManualClock } from '../kube/manual-clock.ts';
import { binaryOf, BOOT, compiledOf, ledgerOf, loadOf, planInput, wanted } from './objects.ts';
import { storeOf } from './reconciler-bench.ts';
import { silentLog } from './silent-log.ts';
import type { SilentLog } from './silent-log.ts';

const web = wanted('web', { names: ['web', 'web//hat'] });
const web2 = wanted('web', { revision: 'web-r2', names: ['web', 'web//hat'] });
const other = wanted('other');

describe('agent/act', () => {
  let kernel: InMemoryKernel;
  let clock: ManualClock;
  let log: SilentLog;
  let written: Ledger[];
  let registry: Registry;
  let metrics: AgentMetrics;

  beforeEach(() => {
    kernel = createInMemoryKernel();
    clock = createManualClock();
    log = silentLog();
    written = [];
    registry = new Registry();
    metrics = createAgentMetrics(registry);
  });

  const parts = (store: CompiledStore): ActParts => ({
    kernel,
    store,
    clock,
    log,
    bootID: BOOT,
    metrics,
    writeLedger: async (ledger) => written.push(ledger) > 0,
  });

  async function act(
    policies: readonly WantedPolicy[],
    change: Partial<PlanInput> = {},
    store = storeOf(...policies),
  ): Promise<ActResult> {
    const input = planInput(policies, { kernel: await kernel.profiles(), now: clock.now(), ...change });
    const remembered = Promise.resolve(true);
    return carryOut(planNode(input), { ledger: input.ledger, attempts: new Map(), remembered }, parts(store));
  }

  it('writes the intent, then the kernel, then the completion', async () => {
    let atLoad: Ledger | undefined;
    kernel.beforeLoad = () => {
      atLoad = written.at(-1);
    };
    const result = await act([web]);
    expect(atLoad?.rows.get('web')).to.deep.include({
      origin: 'created',
      intent: { load: loadOf(web).id, bootID: BOOT },
    });
    expect(atLoad?.rows.get('web')).to.not.have.property('loaded');
    expect(result.ledger).to.deep.equal(ledgerOf(web));
    expect(written.at(-1)).to.equal(result.ledger);
    expect(result.succeeded).to.deep.equal([loadOf(web)]);
    expect([...kernel.held.keys()]).to.deep.equal(['web', 'web//hat']);
  });

  it('completes the ledger when the compiled policy is on the disk', async () => {
    const disk = Promise.withResolvers<void>();
    const acting = act([web], {}, { ...storeOf(web), written: () => disk.promise });
    while (kernel.writes.length === 0) await setImmediate();
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect(written).to.have.length(1);
    disk.resolve();
    await acting;
    expect(written).to.have.length(2);
  });

  it('writes once per policy, and the ledger twice for all together', async () => {
    await act([web, other]);
    expect([kernel.writes.length, written.length]).to.deep.equal([2, 2]);
  });

  it('does nothing where nothing is to be done', async () => {
    await kernel.load(binaryOf(web));
    await act([web], { ledger: ledgerOf(web) });
    expect([kernel.writes.length, written.length]).to.deep.equal([1, 0]);
  });

  it('adopts by the ledger alone', async () => {
    await kernel.load(binaryOf(web));
    const { ledger } = await act([web]);
    expect(kernel.writes).to.have.length(1);
    expect(ledger.rows.get('web')).to.deep.include({ origin: 'adopted' });
    expect(written).to.have.length(1);
  });

  for (const [code, reason] of [
    ['EACCES', 'KernelRefused'],
    ['ENOMEM', 'KernelOutOfMemory'],
    ['EPROTO', 'KernelRejectedPolicy'],
    ['EINVAL', 'KernelError'],
  ] as const) {
    it(`keeps what was loaded when the kernel answers ${code}, and says ${reason}`, async () => {
      await act([web]);
      kernel.refusals = [code];
      const { ledger, failures } = await act([web2], { ledger: ledgerOf(web) });
      expect(failures.get(loadOf(web2).id)).to.deep.include({ reason, retryAt: clock.now() + 5_000 });
      expect(failures.get(loadOf(web2).id)?.message).to.contain(code);
      expect(ledger).to.deep.equal(ledgerOf(web));
      expect(kernel.held.get('web')?.rawSha256).to.equal(compiledOf(web).sha256);
    });
  }

  it('loads the others when the kernel refuses one', async () => {
    kernel.refusals = ['EPROTO'];
    const { ledger } = await act([web, other]);
    expect(ledger).to.deep.equal(ledgerOf(other));
    expect([...kernel.held.keys()]).to.deep.equal(['other']);
  });

  it('does not call loaded what the kernel does not show', async () => {
    kernel.profiles = async () => [{ name: 'web', mode: 'complain', rawSha256: compiledOf(web).sha256 }];
    const { ledger, failures, succeeded } = await act([web], { kernel: [] });
    const failure = failures.get(loadOf(web).id);
    expect(failure).to.include({ reason: 'VerifyFailed' });
    expect(failure?.message).to.contain('web is mode (complain)');
    expect(succeeded).to.deep.equal([]);
    expect(ledger.rows.get('web')).to.not.have.property('loaded');
    kernel.profiles = async () => [];
    const second = await act([web], { kernel: [] });
    expect(second.failures.get(loadOf(web).id)?.message).to.contain('web is unloaded');
  });

  it('completes those that the kernel shows beside one that it does not', async () => {
    kernel.profiles = async () => [{ name: 'other', mode: 'enforce', rawSha256: compiledOf(other).sha256 }];
    const { ledger, failures, succeeded } = await act([web, other], { kernel: [] });
    expect([...failures.keys()]).to.deep.equal([loadOf(web).id]);
    expect(succeeded).to.deep.equal([loadOf(other)]);
    expect(ledger.rows.get('other')).to.deep.equal(ledgerOf(other).rows.get('other'));
    expect(ledger.rows.get('web')).to.have.nested.property('intent.load', loadOf(web).id);
    expect(ledger.rows.get('web')).to.not.have.property('loaded');
    expect(ledger.objects.get('uid-web')).to.not.have.property('lastGood');
  });

  it('reports compiled policies that are gone', async () => {
    const { missing, ledger } = await act([web], {}, storeOf());
    expect(missing).to.deep.equal([loadOf(web)]);
    expect([ledger, kernel.writes]).to.deep.equal([EMPTY_LEDGER, []]);
  });

  it('says since when a profile is back, and counts the correction', async () => {
    const { ledger } = await act([web], { ledger: ledgerOf(web) });
    expect(ledger.rows.get('web')).to.include({ loadedSince: '2030-01-01T00:00:00.000Z' });
    expect(await registry.metrics()).to.contain('apparmor_agent_drift_corrected_total{what="Unloaded"} 2');
    expect(log.lines.some((line) => line.startsWith('warn put a policy right'))).to.equal(true);
  });

  it('does not move that for a replacement or another mode', async () => {
    kernel.change('web', { mode: 'complain', rawSha256: compiledOf(web).sha256 });
    kernel.change('web//hat', { rawSha256: 'ff' });
    const { ledger } = await act([web], { ledger: ledgerOf(web) });
    expect(ledger.rows.get('web')).to.not.have.property('loadedSince');
  });

  it('verifies by name and mode where the kernel exports no hashes', async () => {
    kernel.hash = 'none';
    expect((await act([web])).ledger).to.deep.equal(ledgerOf(web));
  });

  it('verifies by SHA-1 on kernels before 6.8', async () => {
    kernel.hash = 'sha1';
    expect((await act([web])).ledger).to.deep.equal(ledgerOf(web));
  });

  it('passes on what it does not know', async () => {
    kernel.load = () => Promise.reject(new TypeError('bug'));
    const error = await act([web]).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(TypeError);
  });
});
