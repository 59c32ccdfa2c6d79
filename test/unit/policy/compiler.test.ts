import { expect } from 'chai';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compilerFingerprint, type CompilerPaths } from '../../../src/policy/compiler.ts';

describe('compilerFingerprint', () => {
  let folder: string;
  let paths: CompilerPaths;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fingerprint-'));
    paths = {
      parser: join(folder, 'parser'),
      prlimit: '/nowhere',
      basePath: join(folder, 'base'),
      features: join(folder, 'features'),
      workFolder: '/nowhere',
    };
    await writeFile(paths.parser, 'parser 1');
    await mkdir(join(paths.basePath, 'abstractions'), { recursive: true });
    await writeFile(join(paths.basePath, 'abstractions', 'base'), 'file,');
    await mkdir(join(paths.features, 'network'), { recursive: true });
    await writeFile(join(paths.features, 'network', 'af_unix'), 'yes');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('stays the same as long as nothing changes, and does not depend on scratch folders', async () => {
    const before = await compilerFingerprint(paths);
    expect(before).to.match(/^[0-9a-f]{64}$/);
    expect(await compilerFingerprint({ ...paths, workFolder: '/elsewhere' })).to.equal(before);
  });

  const CHANGES: readonly [title: string, change: () => Promise<void>][] = [
    ['another parser', () => writeFile(paths.parser, 'parser 2')],
    ['another abstraction', () => writeFile(join(paths.basePath, 'abstractions', 'base'), 'file ,')],
    ['a new abstraction', () => writeFile(join(paths.basePath, 'abstractions', 'new'), '')],
    [
      'a renamed abstraction',
      () => rename(join(paths.basePath, 'abstractions', 'base'), join(paths.basePath, 'abstractions', 'case')),
    ],
    ['a moved abstraction', () => rename(join(paths.basePath, 'abstractions', 'base'), join(paths.basePath, 'base'))],
    ['another feature', () => writeFile(join(paths.features, 'network', 'af_unix'), 'no')],
  ];
  for (const [title, change] of CHANGES) {
    it(`changes with ${title}`, async () => {
      const before = await compilerFingerprint(paths);
      await change();
      expect(await compilerFingerprint(paths)).to.not.equal(before);
    });
  }

  it('takes an abi file as features, and follows links', async () => {
    const abi = join(folder, 'abi');
    await writeFile(abi, 'query {label {}}');
    await symlink(abi, join(folder, 'link'));
    expect(await compilerFingerprint({ ...paths, features: join(folder, 'link') })).to.equal(
      await compilerFingerprint({ ...paths, features: abi }),
    );
  });

  it('counts a link to nothing among the abstractions as missing', async () => {
    const before = await compilerFingerprint(paths);
    await symlink(join(folder, 'nowhere'), join(paths.basePath, 'abstractions', 'dangling'));
    const dangling = await compilerFingerprint(paths);
    expect(dangling)
      .to.match(/^[0-9a-f]{64}$/)
      .and.not.to.equal(before);
    await writeFile(join(folder, 'nowhere'), 'now it is there');
    expect(await compilerFingerprint(paths)).to.not.equal(dangling);
  });

  it('rejects when a part is missing', async () => {
    const error = await compilerFingerprint({ ...paths, features: '/nowhere' }).catch((error: unknown) => error);
    expect(error).to.have.property('code', 'ENOENT');
  });
});
