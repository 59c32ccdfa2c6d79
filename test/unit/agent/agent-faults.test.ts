import { expect } from 'chai';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KubeError } from '../../../src/kube/errors.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { createAgentBench, until } from './agent-bench.ts';
import type { AgentBench, ReportedProblem, RunningAgent } from './agent-bench.ts';
import type { InMemoryApi } from './in-memory-api.ts';
import type { InMemoryCompiler } from './in-memory-compiler.ts';
import { content, headOf, policyText } from './objects.ts';

describe('agent through faults', () => {
  let bench: AgentBench;
  let folder: string;
  let api: InMemoryApi;
  let kernel: InMemoryKernel;
  let compiler: InMemoryCompiler;

  beforeEach(async () => {
    bench = await createAgentBench();
    ({ folder, api, kernel, compiler } = bench);
  });
  afterEach(() => bench.stop());

  const start = (): Promise<RunningAgent> => bench.start();
  const loaded = (): Record<string, string> => bench.loaded();
  const problems = (): ReportedProblem[] => bench.problems();

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
      return body.includes('drift_corrected_total{what="Unloaded"} 1') && body.includes('{what="ModeChanged"} 1');
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
    expect(Buffer.concat(kernel.writes).includes('evil')).to.equal(false);
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

  it('goes on after the kernel could not be read', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const healthy = { ...kernel };
    kernel.profiles = () => {
      kernel.profiles = () => healthy.profiles();
      return Promise.reject(new Error('EIO'));
    };
    await start();
    kernel.revision = () => {
      kernel.revision = () => healthy.revision();
      return Promise.reject(new Error('EIO'));
    };
    await until(() => loaded()['web'] !== undefined);
  });

  it('keeps what it knows until its texts are read, whenever it is stopped', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    api.putRevision(content('web'));
    const before = await start();
    await until(() => loaded()['web'] !== undefined);
    await before.stop();
    api.setDown(true);
    for (let round = 0; round < 3; round++) await (await start()).stop();
    const lastKnown = await readFile(join(folder, 'state/last-known.json'), 'utf8');
    expect(lastKnown).to.contain(headOf(content('web')).name);
  });

  it('ends if a part of it fails', async () => {
    await rm(join(folder, 'proc'), { recursive: true });
    const agent = await start();
    bench.running.length = 0;
    const failed = await agent.ended.then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    expect(failed?.code).to.equal('ENOENT');
  });
}).timeout(20_000);
