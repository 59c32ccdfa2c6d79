import { expect } from 'chai';
import { renameSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAgentBench, until } from './agent-bench.ts';
import type { AgentBench } from './agent-bench.ts';
import { content, headOf, policyText } from './objects.ts';

describe('agent: removal of what nobody wants', () => {
  let bench: AgentBench;
  beforeEach(async () => {
    bench = await createAgentBench();
    bench.api.putLabels({});
    bench.api.putAppArmorNode();
  });
  afterEach(() => bench.stop());

  const web = content('web');
  const held = (): string[] => [...bench.kernel.held.keys()];
  const reason = (profile: string): string | undefined =>
    bench.problems().find((problem) => problem.profile === profile)?.reason;
  const grant = (profile: string, revision = headOf(web).hash, inMs = 300_000): object => ({
    profile,
    revision,
    expires: new Date(Date.now() + inMs).toISOString(),
  });

  /** Loaded, and its object deleted. */
  async function retained(): Promise<void> {
    const name = bench.api.putRevision(web);
    await bench.start();
    await until(() => bench.loaded()['web'] !== undefined);
    bench.api.deleteRevision(name);
    await until(() => reason('web') !== undefined);
  }

  it('keeps it while a process runs under it, says how many, and removes it within one poll of its end', async () => {
    await bench.process(20, 'web//hat (enforce)\n');
    await bench.process(21, 'web (enforce)\n');
    await retained();
    await until(() => reason('web') === 'InUse');
    expect(bench.problems()[0]?.message).to.contain('2 processes run under it');
    bench.api.grant([grant('web')]);
    await bench.process(20, undefined);
    await until(() => bench.problems().length === 1);
    expect(held()).to.deep.equal(['web']);
    await bench.process(21, undefined);
    await until(() => held().length === 0);
    await until(() => bench.problems().length === 0);
    expect(await readdir(join(bench.folder, 'state/compiled'))).to.deep.equal([]);
  });

  it('keeps it by a grant that is over or for another revision', async () => {
    await retained();
    await until(() => reason('web') === 'NoLongerWanted');
    bench.api.grant([grant('web', 'another'), grant('web', headOf(web).hash, -1_000)]);
    bench.api.putRevision(content('other'));
    await until(() => bench.loaded()['other'] !== undefined);
    expect(held()).to.have.members(['web', 'other']);
    bench.api.grant([grant('web')]);
    await until(() => !held().includes('web'));
    expect(held()).to.deep.equal(['other']);
  });

  it('keeps it while the state folder cannot be written', async () => {
    await retained();
    await writeFile(join(bench.folder, 'file'), 'a file where the folder should be');
    // At one moment: the agent would make anew what is gone.
    renameSync(join(bench.folder, 'state'), join(bench.folder, 'deleted'));
    renameSync(join(bench.folder, 'file'), join(bench.folder, 'state'));
    bench.api.putRevision(content('other'));
    await until(() => bench.api.status()?.['reason'] === 'StateFolderUnusable' && held().includes('other'));
    bench.api.grant([grant('web')]);
    bench.api.putRevision(content('third'));
    await until(() => held().includes('third'));
    expect(held()).to.include('web');
    await rm(join(bench.folder, 'state'));
    await until(() => !held().includes('web'));
  });

  it('keeps what was adopted after the state folder was lost', async () => {
    const name = bench.api.putRevision(web);
    const before = await bench.start();
    await until(() => bench.loaded()['web'] !== undefined);
    await before.stop();
    await rm(join(bench.folder, 'state'), { recursive: true });
    await bench.start();
    const ledger = (): Promise<string> => readFile(join(bench.folder, 'state/ledger.json'), 'utf8').catch(() => '');
    await until(async () => (await ledger()).includes('adopted'));
    bench.api.deleteRevision(name);
    await until(() => reason('web') === 'NotOurs');
    bench.api.grant([grant('web')]);
    bench.api.putRevision(content('other'));
    await until(() => bench.loaded()['other'] !== undefined);
    expect(held()).to.have.members(['web', 'other']);
  });

  it('keeps everything while the API server has not answered, whatever was granted before', async () => {
    bench.api.putRevision(content('other', { policy: policyText('other') }));
    await retained();
    for (const agent of bench.running) await agent.stop();
    bench.api.grant([grant('web')]);
    bench.api.setDown(true);
    const agent = await bench.start();
    await until(async () => (await agent.get('/readyz')).body.includes('which labels the node has'));
    expect(held()).to.include('web');
    bench.api.setDown(false);
    await until(() => !held().includes('web'));
    expect(held()).to.deep.equal(['other']);
  });

  it('takes it up again without a load when the same is published again', async () => {
    await retained();
    bench.api.putRevision(content('web', { object: { ...web.object, uid: 'uid-again' } }));
    await until(() => bench.loaded()['web'] !== undefined);
    bench.api.grant([grant('web')]);
    bench.api.putRevision(content('other'));
    await until(() => bench.loaded()['other'] !== undefined);
    expect([bench.kernel.writes.length, held().includes('web')]).to.deep.equal([2, true]);
  });
}).timeout(20_000);
