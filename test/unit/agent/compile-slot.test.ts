import { expect } from 'chai';
import { Registry } from 'prom-client';
import { createCompileSlot } from '../../../src/agent/compile-slot.ts';
import type { CompileSlot, CompileSlotOptions } from '../../../src/agent/compile-slot.ts';
import type { Failure } from '../../../src/agent/failure.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import type { CompiledPolicy } from '../../../src/agent/plan.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import { createManualClock, settled } from '../kube/manual-clock.ts';
import { createInMemoryCompiler } from './in-memory-compiler.ts';
import type { InMemoryCompiler } from './in-memory-compiler.ts';
import { hashesOf, policyText, wanted } from './objects.ts';
import { silentLog } from './silent-log.ts';
import type { SilentLog } from './silent-log.ts';

const LIMITS = { addressSpaceBytes: 1, wallClockMs: 1, outputBytes: 1 };

describe('agent/compile-slot', () => {
  let compiler: InMemoryCompiler;
  let texts: Map<string, string>;
  let compiled: Map<string, CompiledPolicy>;
  let failed: Map<string, Failure>;
  let idle: number;
  let stop: AbortController;
  let log: SilentLog;
  let metrics: Registry;

  beforeEach(() => {
    compiler = createInMemoryCompiler();
    texts = new Map();
    compiled = new Map();
    failed = new Map();
    idle = 0;
    stop = new AbortController();
    log = silentLog();
    metrics = new Registry();
  });

  function slot(change: Partial<CompileSlotOptions> = {}): CompileSlot {
    return createCompileSlot({
      compiler: {
        compile: (request) => compiler.compile(request),
        version: async () => '4.1.0',
        fingerprint: async () => 'env',
      },
      textOf: async ({ object }) => texts.get(object.name),
      save: async (_fingerprint, binary) => hashesOf(binary),
      limits: { short: { ...LIMITS, cpuSeconds: 5 }, long: { ...LIMITS, cpuSeconds: 60 } },
      onCompiled: ({ object }, made) => void compiled.set(object.name, made),
      onFailed: ({ object }, failure) => void failed.set(object.name, failure),
      onIdle: () => void (idle += 1),
      signal: stop.signal,
      clock: createManualClock(),
      log,
      ...(change.metrics === undefined ? { metrics: createAgentMetrics(metrics) } : { metrics: change.metrics }),
      ...change,
    });
  }

  function slotWith(compile: CompileSlotOptions['compiler']['compile']): CompileSlot {
    return slot({
      compiler: { compile, version: async () => '', fingerprint: async () => '' },
      metrics: createAgentMetrics(new Registry()),
    });
  }

  function policy(name: string, comment = '', change: Partial<WantedPolicy> = {}): WantedPolicy {
    texts.set(name, `# ${comment} ${name}\n${policyText(name)}`);
    return wanted(name, change);
  }

  it('compiles, saves, and tells the names and modes', async () => {
    slot().offer([policy('web', 'WARNS', { mode: 'Complain' })]);
    await settled();
    expect(compiled.get('web')?.profiles).to.deep.equal([{ name: 'web', mode: 'complain' }]);
    expect(idle).to.equal(1);
    expect(log.lines).to.include('warn apparmor_parser warns');
    expect(await metrics.metrics()).to.contain('apparmor_agent_compile_seconds_count{result="ok"} 1');
  });

  it('runs one at a time', async () => {
    const gate = Promise.withResolvers<void>();
    compiler.gate = gate.promise;
    const only = slot();
    only.offer([policy('a'), policy('b')]);
    await settled();
    only.offer([policy('b')]);
    await settled();
    expect(compiler.texts).to.have.length(1);
    gate.resolve();
    await settled();
    only.offer([policy('b')]);
    await only.stopped();
    expect([...compiled.keys()]).to.deep.equal(['a', 'b']);
    await only.stopped();
  });

  it('goes on by itself with what was offered last, and tells when it is done', async () => {
    const only = slot();
    only.offer([policy('a'), policy('b'), policy('gone')]);
    only.offer([policy('a'), policy('b'), policy('c')]);
    await settled();
    expect(compiler.texts.map((text) => text.trim().split('\n')[0])).to.deep.equal(['#  a', '#  b', '#  c']);
    expect([...compiled.keys()]).to.deep.equal(['a', 'b', 'c']);
    // After the first, so that it is loaded without waiting, and at the end.
    expect(idle).to.equal(2);
  });

  it('tells every second while it goes on', async () => {
    const clock = createManualClock();
    const only = slot({
      clock,
      compiler: {
        compile: async (request) => {
          await clock.sleep(400);
          return compiler.compile(request);
        },
        version: async () => '',
        fingerprint: async () => '',
      },
    });
    only.offer(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => policy(name)));
    const told: [done: number, idle: number][] = [];
    for (let step = 0; step < 6; step++) {
      await clock.advance(400);
      told.push([compiled.size, idle]);
    }
    expect(told).to.deep.equal([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 2],
      [6, 3],
    ]);
  });

  it('says what did not compile, with the line', async () => {
    slot().offer([policy('web', 'BROKEN')]);
    await settled();
    expect(failed.get('web')).to.deep.equal({ reason: 'CompileFailed', message: 'syntax error', line: 2 });
  });

  it('puts what overran the short limits behind all others, and gives it the long ones', async () => {
    const only = slot();
    const slow = policy('slow', 'SLOW');
    only.offer([slow, policy('quick')]);
    await settled();
    expect(only.isSlow(slow.fingerprint)).to.equal(true);
    only.offer([slow, policy('quick')]);
    await settled();
    expect([...compiled.keys()]).to.deep.equal(['quick']);
    only.offer([slow]);
    await settled();
    expect([...compiled.keys()]).to.deep.equal(['quick', 'slow']);
    expect(only.isSlow(slow.fingerprint)).to.equal(false);
    expect(failed.size).to.equal(0);
  });

  it('lets a quick one in while a slow one runs', async () => {
    const only = slot();
    const slow = policy('slow', 'SLOW');
    only.offer([slow]);
    await settled();
    compiler.gate = new Promise(() => undefined);
    only.offer([slow]);
    await settled();
    only.offer([slow]);
    await settled();
    expect(compiler.texts).to.have.length(2);
    compiler.gate = Promise.resolve();
    only.offer([slow, policy('quick')]);
    await settled();
    expect(failed.size).to.equal(0);
    only.offer([slow, policy('quick')]);
    await settled();
    expect([...compiled.keys()]).to.deep.equal(['quick']);
  });

  it('tries again later where the parser is to blame', async () => {
    const unavailable = { kind: 'failed', reason: 'ParserUnavailable', message: 'ENOENT', stderr: '' } as const;
    const only = slot({
      compiler: { compile: async () => unavailable, version: async () => '', fingerprint: async () => '' },
    });
    const web = policy('web');
    const start = createManualClock().now();
    for (const delay of [5_000, 10_000]) {
      only.offer([web]);
      await settled();
      expect(failed.get('web')?.retryAt).to.equal(start + delay);
    }
  });

  it('takes junk from the parser, and a defect, as failures', async () => {
    slotWith(async () => ({ kind: 'compiled', binary: Buffer.from('junk'), warnings: [] })).offer([policy('junk')]);
    slotWith(() => Promise.reject(new TypeError('defect'))).offer([policy('defect')]);
    await settled();
    expect(failed.get('junk')?.reason).to.equal('CompileFailed');
    expect(failed.get('defect')?.reason).to.equal('ParserUnavailable');
    slotWith(async () => ({ kind: 'compiled', binary: Buffer.alloc(0), warnings: [] })).offer([policy('empty')]);
    await settled();
    expect(compiled.get('empty')?.profiles).to.deep.equal([]);
  });

  it('tells a defect of the store from junk', async () => {
    slot({ save: () => Promise.reject(new TypeError('defect')) }).offer([policy('web')]);
    await settled();
    expect(failed.get('web')?.reason).to.equal('ParserUnavailable');
  });

  it('does nothing for a text that is not here, and nothing after the end', async () => {
    const only = slot();
    only.offer([wanted('nowhere')]);
    await settled();
    expect([compiler.texts.length, idle]).to.deep.equal([0, 1]);
    only.offer([]);
    stop.abort();
    only.offer([policy('web')]);
    await only.stopped();
    expect(compiler.texts).to.deep.equal([]);
  });

  it('ends what runs when it is stopped, without calling it failed', async () => {
    compiler.gate = new Promise(() => undefined);
    const only = slot();
    only.offer([policy('web')]);
    await settled();
    stop.abort();
    await only.stopped();
    expect([failed.size, compiled.size]).to.deep.equal([0, 0]);
  });

  it('passes on what the compiler warned of, once each, with the first line', async () => {
    const warned = slotWith(async (request) => {
      const made = await compiler.compile(request);
      const warnings = [
        { message: 'userns rules not enforced' },
        { message: 'mqueue rules not enforced', line: 3 },
        { message: 'userns rules not enforced', line: 7 },
      ];
      return made.kind === 'compiled' ? { ...made, warnings } : made;
    });
    texts.set('web', policyText('web'));
    warned.offer([wanted('web')]);
    await settled();
    expect(compiled.get('web')?.warning).to.deep.equal({
      message: 'userns rules not enforced; mqueue rules not enforced',
      line: 3,
    });
    texts.set('quiet', policyText('quiet'));
    slot().offer([wanted('quiet')]);
    await settled();
    expect(compiled.get('quiet')).to.not.have.property('warning');
  });
});
