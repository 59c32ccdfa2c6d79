import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { findCompiler } from '../../../../src/cli/lint/find-compiler.ts';
import { UsageError } from '../../../../src/command.ts';

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('findCompiler', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'find-compiler-test-'));
    for (const path of ['bin', 'empty', 'base/abi']) await mkdir(join(folder, path), { recursive: true });
    for (const name of ['3.0', '4.10', '4.2', 'kernel-5.4-vanilla'])
      await writeFile(join(folder, 'base/abi', name), '');
    await program('apparmor_parser', 'echo AppArmor parser version 4.1.0');
    await program('prlimit', '');
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function program(name: string, script: string): Promise<void> {
    const path = join(folder, 'bin', name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  }
  function find(flags: Parameters<typeof findCompiler>[0] = {}) {
    const folders = [join(folder, 'empty'), join(folder, 'bin')];
    return findCompiler({ base: join(folder, 'base'), ...flags }, { folders, workFolder: folder });
  }

  it('finds programs, their version, and the newest abi', async () => {
    expect(await find()).to.deep.equal({
      kind: 'found',
      version: '4.1.0',
      paths: {
        parser: join(folder, 'bin/apparmor_parser'),
        prlimit: join(folder, 'bin/prlimit'),
        basePath: join(folder, 'base'),
        features: join(folder, 'base/abi/4.10'),
        workFolder: folder,
      },
    });
  });

  it('takes what flags name', async () => {
    await writeFile(join(folder, 'features'), '');
    const features = join(folder, 'features');
    expect(await find({ features, base: join(folder, 'empty') })).to.deep.nested.include({
      'paths.features': features,
      'paths.basePath': join(folder, 'empty'),
    });
  });

  for (const [missing, expected] of [
    ['apparmor_parser', /^apparmor_parser is not installed/],
    ['prlimit', /^prlimit of util-linux/],
  ] as const) {
    it(`says that ${missing} is not installed`, async () => {
      await rm(join(folder, 'bin', missing));
      const found = await find();
      expect(found.kind === 'none' ? found.why : '').to.match(expected);
    });
  }

  it('takes no program that may not be executed', async () => {
    await chmod(join(folder, 'bin/apparmor_parser'), 0o644);
    expect((await find()).kind).to.equal('none');
  });

  it('says that there is no abi', async () => {
    const found = await find({ base: join(folder, 'empty') });
    expect(found.kind === 'none' ? found.why : '').to.match(/no abi file in .*--features/);
  });

  it('says what an installed parser says that is none, and refuses one that a flag names', async () => {
    await program('apparmor_parser', 'echo hello; echo what >&2');
    const found = await find();
    expect(found.kind === 'none' ? found.why : '').to.match(/--version says: what/);
    expect(await failure(find({ parser: join(folder, 'bin/apparmor_parser') }))).to.be.instanceOf(UsageError);
  });

  it('refuses flags that name what is not there, or something else', async () => {
    for (const flags of [
      { parser: '/nowhere' },
      { parser: folder },
      { base: '/etc/passwd' },
      { features: '/nowhere' },
    ]) {
      const error = await failure(find(flags));
      expect(error).to.be.instanceOf(UsageError);
      expect(String(error)).to.match(/--(parser|base|features): /);
    }
  });
});
