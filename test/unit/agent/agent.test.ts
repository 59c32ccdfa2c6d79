import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { CONTROLLER_REVISIONS, objectPath } from '../../../src/kube/resource.ts';
import { createAgentBench, until } from './agent-bench.ts';
import type { AgentBench, ReportedProblem, RunningAgent } from './agent-bench.ts';
import type { InMemoryApi } from './in-memory-api.ts';
import type { InMemoryCompiler } from './in-memory-compiler.ts';
import { content, headOf, policyText } from './objects.ts';

describe('agent', () => {
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

  it('finds a text that the API server has not heard of, though another told of it', async () => {
    api.putLabels({});
    api.putAppArmorNode();
    const name = headOf(content('web')).name;
    api.unheardOf.add(objectPath(CONTROLLER_REVISIONS, { namespace: 'apparmor-operator', name }));
    await start();
    api.putRevision(content('web'));
    await until(() => loaded()['web'] === headOf(content('web')).hash);
    expect(api.fetched).to.deep.equal([name]);
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

  it('removes nothing without a grant, and reports what nobody wants any more', async () => {
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
    bench.kernel = kernel;
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
}).timeout(20_000);
