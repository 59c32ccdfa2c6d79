import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { createAgentBench, until } from './agent-bench.ts';
import type { AgentBench } from './agent-bench.ts';
import { interceptFiles } from './intercepted-files.ts';
import { nodePieces, versionOf } from './node-pieces.ts';
import { content, headOf, sha256 } from './objects.ts';

const web = versionOf('web', 1);
const pair = versionOf('pair', 1, ['one', 'two']);
const ALL = { web: headOf(web).hash, one: headOf(pair).hash, two: headOf(pair).hash };

describe('agent with a state folder that cannot be trusted', () => {
  let folder: string;
  let kernel: InMemoryKernel;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'state-'));
    kernel = createInMemoryKernel();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const node = (bootID = 'boot-1', of = kernel) => nodePieces({ folder, kernel: of, bootID });

  for (const code of ['ENOSPC', 'EROFS', 'EIO']) {
    it(`loads and reports all the same where every write answers ${code}, and says so`, async () => {
      const files = interceptFiles(folder, ({ operation }) => {
        const isWrite = ['mkdir', 'open', 'write', 'rename', 'rm', 'chmod'].includes(operation);
        return isWrite ? Promise.reject(Object.assign(new Error(code), { code })) : Promise.resolve();
      });
      const { status } = await node().follow([web, pair]);
      await files.release();
      expect(status.loaded).to.deep.equal(ALL);
      expect(status).to.include({ reason: 'StateFolderUnusable' });
      expect(status.message).to.contain(code).and.to.contain('free space');
      expect(await readdir(folder)).to.deep.equal([]);
    });
  }

  const damages: Record<string, (bytes: Buffer, other: Buffer) => Buffer> = {
    truncated: (bytes) => bytes.subarray(0, bytes.length / 2),
    emptied: () => Buffer.alloc(0),
    zeroed: (bytes) => Buffer.alloc(bytes.length),
    swapped: (_, other) => other,
    'changed in one byte': (bytes) => {
      const changed = Buffer.from(bytes);
      const at = changed.length - 20;
      changed[at] = (changed[at] ?? 0) ^ 1;
      return changed;
    },
  };
  for (const [damage, change] of Object.entries(damages)) {
    for (const sub of ['.', 'revisions', 'compiled'] as const) {
      it(`trusts no file of ${sub} that was ${damage}, and makes it anew`, async () => {
        const before = await node().follow([web, pair]);
        const good = new Set([...kernel.held.values()].map(({ rawSha256 }) => rawSha256));
        const entries = await readdir(join(folder, sub), { withFileTypes: true });
        const files = entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, sub, name));
        expect(files).to.have.length(2);
        const contents = await Promise.all(files.map((file) => readFile(file)));
        for (const [at, file] of files.entries()) {
          await writeFile(file, change(contents[at] ?? Buffer.alloc(0), contents[1 - at] ?? Buffer.alloc(0)));
        }

        const { status } = await node().follow([web, pair]);
        expect(status.loaded).to.deep.equal(ALL);
        expect(status.reason).to.equal(sub === '.' ? 'StateFileSetAside' : undefined);
        await kernel.remove('web');
        expect((await node().follow([web, pair])).status.loaded).to.deep.equal(ALL);
        for (const binary of kernel.writes) expect(good).to.include(sha256(binary));

        const rebooted = createInMemoryKernel();
        expect((await node('boot-2', rebooted).remember()).status.loaded).to.deep.equal(before.status.loaded);
      });
    }
  }

  it('loads after a reboot what it compiles anew, where the compiled policies were lost', async () => {
    await node().follow([web, pair]);
    await rm(join(folder, 'compiled'), { recursive: true });
    expect((await node('boot-2', createInMemoryKernel()).remember()).status.loaded).to.deep.equal(ALL);
  });
});

describe('agent whose state folder is deleted while it runs', () => {
  let bench: AgentBench;
  beforeEach(async () => {
    bench = await createAgentBench();
    bench.api.putLabels({});
    bench.api.putAppArmorNode();
    bench.api.putRevision(content('web'));
    await bench.start();
    await until(() => bench.loaded()['web'] !== undefined);
    await until(async () => (await files()).length === 4);
  });
  afterEach(() => bench.stop());

  const files = async (): Promise<string[]> => {
    const entries = await readdir(join(bench.folder, 'state'), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
  };

  /** At one moment: the agent would make anew what is gone while the rest is still being deleted. */
  const deleteState = (): Promise<void> => rename(join(bench.folder, 'state'), join(bench.folder, 'deleted'));

  it('makes it anew, and says so, without a write to the kernel', async () => {
    const before = (await files()).toSorted();
    await deleteState();
    await until(async () => (await files()).toSorted().join() === before.join());
    await until(() => bench.api.status()?.['reason'] === 'StateFolderLost');
    expect([bench.kernel.writes.length, bench.problems()]).to.deep.equal([1, []]);
  });

  it('puts right what is unloaded in that moment', async () => {
    await deleteState();
    await bench.kernel.remove('web');
    await until(() => bench.kernel.held.has('web'));
    await until(() => bench.problems().length === 0 && bench.loaded()['web'] !== undefined);
  });

  it('notices it although it was written to since', async () => {
    await deleteState();
    bench.api.putRevision(content('other'));
    await until(() => bench.loaded()['other'] !== undefined);
    await until(async () => (await files()).length === 6);
    await until(() => bench.api.status()?.['reason'] === 'StateFolderLost');
  });

  it('writes what it could not, once it can, without another change', async () => {
    await writeFile(join(bench.folder, 'file'), 'a file where the folder should be');
    await deleteState();
    await rename(join(bench.folder, 'file'), join(bench.folder, 'state'));
    bench.api.putRevision(content('other'));
    await until(() => bench.api.status()?.['reason'] === 'StateFolderUnusable');
    await rm(join(bench.folder, 'state'));
    await until(() => bench.api.status()?.['reason'] !== 'StateFolderUnusable');
    await until(async () => (await files()).length === 6);
  });
}).timeout(20_000);
