import { expect } from 'chai';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { runAgent } from '../../../src/agent/agent.ts';
import { KubeError } from '../../../src/kube/errors.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import type { Clock } from '../../../src/kube/clock.ts';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { createInMemoryApi } from './in-memory-api.ts';
import type { InMemoryApi } from './in-memory-api.ts';
import { createInMemoryCompiler } from './in-memory-compiler.ts';
import type { InMemoryCompiler } from './in-memory-compiler.ts';
import { content, headOf, policyText } from './objects.ts';
import { silentLog } from './silent-log.ts';

/** Pauses of seconds become some milliseconds; the minutes of a watch's life stay. */
const quickClock: Clock = {
  ...systemClock,
  now: () => systemClock.now(),
  date: () => systemClock.date(),
  sleep: (ms, signal) => systemClock.sleep(ms > 30_000 ? ms : Math.min(ms, 15), signal),
};

const LIMITS = { addressSpaceBytes: 1, wallClockMs: 1, outputBytes: 1 };

interface RunningAgent {
  stop(): Promise<void>;
  get(path: string): Promise<{ status: number; body: string }>;
}

describe('agent', () => {
  let folder: string;
  let api: InMemoryApi;
  let kernel: InMemoryKernel;
  let compiler: InMemoryCompiler;
  let running: RunningAgent[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agent-'));
    await mkdir(join(folder, 'proc/sys/kernel/random'), { recursive: true });
    await writeFile(join(folder, 'proc/sys/kernel/random/boot_id'), 'boot-1\n');
    await writeFile(join(folder, 'proc/sys/kernel/osrelease'), '6.12.0\n');
    for (const file of ['parser', 'features']) await writeFile(join(folder, file), 'one');
    await mkdir(join(folder, 'base'));
    api = createInMemoryApi();
    kernel = createInMemoryKernel();
    compiler = createInMemoryCompiler();
    running = [];
  });
  afterEach(async () => {
    for (const agent of running) await agent.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(): Promise<RunningAgent> {
    const stop = new AbortController();
    const listening = Promise.withResolvers<number>();
    const ended = runAgent(
      {
        node: 'node-a',
        namespace: 'apparmor-operator',
        stateFolder: join(folder, 'state'),
        proc: join(folder, 'proc'),
        compiler: {
          parser: join(folder, 'parser'),
          prlimit: '',
          basePath: join(folder, 'base'),
          features: join(folder, 'features'),
          workFolder: folder,
        },
        limits: { short: { ...LIMITS, cpuSeconds: 5 }, long: { ...LIMITS, cpuSeconds: 60 } },
        healthPort: 0,
      },
      {
        kernel,
        transport: api.transport,
        compile: (request) => compiler.compile(request),
        parserVersion: async () => '4.1.0',
        log: silentLog(),
        metrics: new Registry(),
        clock: quickClock,
        random: () => 0,
        signal: stop.signal,
        onListening: listening.resolve,
      },
    );
    const port = await Promise.race([listening.promise, ended.then(() => 0)]);
    const agent: RunningAgent = {
      async stop() {
        stop.abort();
        await ended;
      },
      async get(path) {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`);
        return { status: answer.status, body: await answer.text() };
      },
    };
    running.push(agent);
    return agent;
  }

  const loaded = (): Record<string, string> => (api.status()?.['loaded'] ?? {}) as Record<string, string>;
  const problems = (): { state: string; reason: string; profile: string; line?: number }[] =>
    (api.status()?.['problems'] ?? []) as [];
  const textHeld = (name: string): string => {
    const hash = kernel.held.get(name)?.rawSha256;
    return hash === undefined ? '' : (kernel.writes.find((binary) => binary.includes(name))?.toString() ?? '');
  };

  it('loads what is published, says so, and becomes Ready', async () => {
    api.putLabels({ os: 'debian' });
    api.putRevision(content('web'));
    api.putAppArmorNode();
    const agent = await start();
    await until(() => loaded()['web'] === headOf(content('web')).hash);
    expect(api.status()).to.deep.equal({
      bootID: 'boot-1',
      enforcing: true,
      kernel: '6.12.0',
      parser: '4.1.0',
      loaded: { web: headOf(content('web')).hash },
      loadedCount: 1,
      problems: [],
      problemCount: 0,
    });
    await until(async () => (await agent.get('/readyz')).status === 200);
    expect((await agent.get('/healthz')).status).to.equal(200);
    const { body } = await agent.get('/metrics');
    expect(body)
      .to.contain('apparmor_agent_profiles_loaded 1')
      .and.to.contain('apparmor_agent_loads_total{result="ok"} 1');
  });

  it('is not Ready before the API server has spoken, and says why', async () => {
    api.setDown(true);
    const agent = await start();
    const ready = await agent.get('/readyz');
    expect(ready.status).to.equal(503);
    expect(ready.body).to.contain('[-]api-server failed');
    await until(async () => (await agent.get('/readyz')).body.includes('which labels the node has'));
    api.setDown(false);
    api.putLabels({});
    await until(async () => (await agent.get('/readyz')).status === 200);
  });

  it('replaces by one write, and fetches each text once', async () => {
    api.putLabels({});
    const first = api.putRevision(content('web'));
    api.putAppArmorNode();
    await start();
    await until(() => kernel.writes.length === 1);
    const next = content('web', { policy: `# second\n${policyText('web')}` });
    const second = api.putRevision(next, 2);
    await until(() => loaded()['web'] === headOf(next).hash);
    expect(kernel.writes).to.have.length(2);
    expect(api.fetched).to.deep.equal([first, second]);
  });

  it('goes back when an earlier revision becomes current again', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    const next = content('web', { policy: `# second\n${policyText('web')}` });
    api.putRevision(content('web'));
    api.putRevision(next, 2);
    await start();
    await until(() => loaded()['web'] === headOf(next).hash);
    api.putRevision(content('web'), 3);
    await until(() => loaded()['web'] === headOf(content('web')).hash);
  });

  it('keeps the last good revision while the new one does not compile, and does not try it again', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    await start();
    await until(() => loaded()['web'] !== undefined);
    const broken = content('web', { policy: `# BROKEN\n${policyText('web')}` });
    api.putRevision(broken, 2);
    await until(() => problems().length === 1);
    expect(problems()[0]).to.include({
      state: 'Failed',
      reason: 'CompileFailed',
      line: 2,
      revision: headOf(broken).hash,
    });
    expect(loaded()).to.deep.equal({ web: headOf(content('web')).hash });
    api.putLabels({ another: 'label' });
    api.putRevision(content('other'));
    await until(() => loaded()['other'] !== undefined);
    expect(compiler.texts.filter((text) => text.includes('BROKEN'))).to.have.length(1);
    expect(kernel.writes).to.have.length(2);
  });

  it('removes nothing, and reports what nobody wants any more', async () => {
    api.putLabels({ pool: 'apps' });
    api.putAppArmorNode();
    const name = api.putRevision(content('web'));
    api.putRevision(content('apps', { nodeSelector: { pool: 'apps' } }));
    await start();
    await until(() => Object.keys(loaded()).length === 2);
    api.deleteRevision(name);
    await until(() => problems().length === 1);
    api.putLabels({ pool: 'db' });
    await until(() => problems().length === 2);
    expect(problems().map(({ state, profile }) => `${state} ${profile}`)).to.deep.equal([
      'Retained apps',
      'Retained web',
    ]);
    expect([...kernel.held.keys()]).to.have.members(['web', 'apps']);
    api.putRevision(content('web'));
    await until(() => loaded()['web'] !== undefined);
    expect(kernel.writes).to.have.length(2);
  });

  it('loads after a reboot before the API server answers, from what is on the node', async () => {
    api.putLabels({ os: 'debian' });
    api.putAppArmorNode();
    api.putRevision(content('web', { nodeSelector: { os: 'debian' } }));
    const before = await start();
    await until(() => loaded()['web'] !== undefined);
    await before.stop();

    await writeFile(join(folder, 'proc/sys/kernel/random/boot_id'), 'boot-2\n');
    kernel = createInMemoryKernel();
    api.setDown(true);
    const after = await start();
    await until(() => kernel.held.has('web'));
    expect(compiler.texts).to.have.length(1);
    expect((await after.get('/readyz')).status).to.equal(503);
    api.setDown(false);
    await until(() => api.status()?.['bootID'] === 'boot-2');
    await until(async () => (await after.get('/readyz')).status === 200);
    expect(kernel.writes).to.have.length(1);
    expect(api.fetched).to.have.length(1);
  });

  it('compiles again for another kernel', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const before = await start();
    await until(() => loaded()['web'] !== undefined);
    await before.stop();
    await writeFile(join(folder, 'features'), 'two');
    await start();
    await until(() => compiler.texts.length === 2);
  });

  it('changes nothing when it starts again', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const before = await start();
    await until(() => loaded()['web'] !== undefined);
    await before.stop();
    const patches = api.patches.length;
    const agent = await start();
    await until(async () => (await agent.get('/readyz')).status === 200);
    expect([kernel.writes.length, api.patches.length, compiler.texts.length]).to.deep.equal([1, patches, 1]);
  });

  it('puts right what was unloaded or switched behind its back', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const agent = await start();
    await until(() => loaded()['web'] !== undefined);
    await kernel.remove('web');
    await until(() => kernel.held.has('web') && api.status()?.['loadedSince'] !== undefined);
    expect(api.status()?.['loadedSince']).to.have.property('web');
    kernel.change('web', { mode: 'complain' });
    await until(() => kernel.held.get('web')?.mode === 'enforce');
    await until(async () => {
      const { body } = await agent.get('/metrics');
      return body.includes('drift_corrected_total{kind="unloaded"} 1') && body.includes('{kind="mode"} 1');
    });
  });

  it('tries again what the kernel refused, and says what to do', async () => {
    kernel.refusals = ['EACCES'];
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const refused = Promise.withResolvers<void>();
    const patches = api.patches;
    await start();
    void until(() => JSON.stringify(patches).includes('KernelRefused')).then(refused.resolve);
    await refused.promise;
    expect(JSON.stringify(patches)).to.contain('CAP_MAC_ADMIN');
  });

  it('idles healthy on a node without AppArmor, and begins when there is one', async () => {
    kernel.enforcing = { enforcing: false, reason: 'AppArmorDisabled', message: 'boot it' };
    await rm(join(folder, 'features'));
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const agent = await start();
    await until(async () => (await agent.get('/readyz')).status === 200);
    await until(() => api.status() !== undefined);
    expect(api.status()).to.include({ enforcing: false, reason: 'AppArmorDisabled', message: 'boot it' });
    await writeFile(join(folder, 'features'), 'one');
    kernel.enforcing = { enforcing: true };
    await until(() => loaded()['web'] !== undefined);
    expect(api.status()).to.not.have.property('reason');
  });

  it('waits for its AppArmorNode, and reports again to a new one', async () => {
    api.putLabels({});
    api.putRevision(content('web'));
    const agent = await start();
    await until(async () => (await agent.get('/readyz')).status === 200);
    expect(api.patches).to.have.length(0);
    api.putAppArmorNode();
    await until(() => loaded()['web'] !== undefined);
    api.deleteAppArmorNode();
    api.putAppArmorNode('uid-row-2');
    await until(() => loaded()['web'] !== undefined);
  });

  it('goes on after the API server failed', async () => {
    api.failures = ['GET', 'GET', 'GET', 'GET', 'PATCH'].map((method) => ({
      method,
      error: new KubeError({ status: 503, reason: 'ServiceUnavailable', message: 'busy' }),
    }));
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    await start();
    await until(() => loaded()['web'] !== undefined);
    api.setDown(true);
    api.setDown(false);
    api.putRevision(content('later'));
    await until(() => loaded()['later'] !== undefined);
  });

  it('reports a revision that no controller wrote, and uses the one before it', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const forged = content('web', { policy: `# forged\n${policyText('web')}` });
    api.putRevision(forged, 2, { data: content('web', { policy: 'profile evil { file, }' }) });
    await start();
    await until(() => problems().length === 1 && loaded()['web'] !== undefined);
    expect(problems()[0]).to.include({ reason: 'RevisionInvalid' });
    expect(loaded()).to.deep.equal({ web: headOf(content('web')).hash });
    expect(textHeld('web')).to.not.contain('evil');
  });

  it('loads the good beside one that compiles for ever', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    const never = Promise.withResolvers<void>();
    compiler.compile = ((compile) => async (request) => {
      if (request.text.includes('SLOW') && request.limits.cpuSeconds === 60) {
        compiler.texts.push('long');
        await Promise.race([
          never.promise,
          new Promise((_, reject) => request.signal?.addEventListener('abort', () => reject(new Error('aborted')))),
        ]);
      }
      return compile(request);
    })(compiler.compile);
    api.putRevision(content('slow', { policy: `# SLOW\n${policyText('slow')}` }));
    for (const name of ['a', 'b', 'c']) api.putRevision(content(name));
    const agent = await start();
    await until(() => Object.keys(loaded()).length === 3 && compiler.texts.includes('long'));
    await until(async () => (await agent.get('/readyz')).status === 200);
    api.putRevision(content('d'));
    await until(() => loaded()['d'] !== undefined);
    never.resolve();
    await until(() => loaded()['slow'] !== undefined);
  });

  it('works without a usable state folder, and says so', async () => {
    await writeFile(join(folder, 'state'), 'a file where the folder should be');
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    await start();
    await until(() => loaded()['web'] !== undefined);
    expect(api.status()).to.include({ enforcing: true, reason: 'StateFolderUnusable' });
    await kernel.remove('web');
    await until(() => kernel.held.has('web'));
  });

  it('never trusts a damaged state folder, and adopts what the kernel holds', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const before = await start();
    await until(() => loaded()['web'] !== undefined);
    await before.stop();
    for (const sub of ['.', 'revisions', 'compiled']) {
      const files = await readdir(join(folder, 'state', sub), { withFileTypes: true });
      for (const file of files) {
        const path = join(file.parentPath, file.name);
        if (file.isFile()) await writeFile(path, (await readFile(path)).subarray(0, -5));
      }
    }
    await start();
    await until(() => api.status()?.['reason'] === 'StateFileSetAside' && loaded()['web'] !== undefined);
    expect(kernel.writes).to.have.length(1);
    const ledger = await readFile(join(folder, 'state/ledger.json'), 'utf8');
    expect(ledger).to.contain('"origin":"adopted"');
  });

  it('ends if a part of it fails', async () => {
    await rm(join(folder, 'proc'), { recursive: true });
    const failed = await start().then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    running = [];
    expect(failed?.code).to.equal('ENOENT');
  });
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 8_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
