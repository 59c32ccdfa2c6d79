import { expect } from 'chai';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAppArmorKernel } from '../../../src/kernel/apparmor.ts';
import { bootId, kernelRelease } from '../../../src/kernel/host.ts';
import { isLearningName } from '../../../src/kernel/profiles.ts';
import { KernelWriteError } from '../../../src/kernel/write-error.ts';

describe('kernel/apparmor', () => {
  let root: string;
  let apparmor: string;
  const kernel = () => openAppArmorKernel(root);

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'securityfs-'));
    apparmor = join(root, 'apparmor');
    await mkdir(join(apparmor, 'policy/profiles'), { recursive: true });
    for (const file of ['.replace', '.remove']) await writeFile(join(apparmor, file), '');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  async function addProfile(folder: string, files: Record<string, string>): Promise<string> {
    const path = join(apparmor, 'policy/profiles', folder);
    await mkdir(path, { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
    return path;
  }

  describe('state', () => {
    it('enforces where the folder can be used', async () => {
      expect(await kernel().state()).to.deep.equal({ enforcing: true });
    });

    it('knows a kernel without AppArmor from a securityfs that is not there', async () => {
      await rm(apparmor, { recursive: true });
      expect(await kernel().state()).to.include({ enforcing: false, reason: 'SecurityfsMissing' });
      await writeFile(join(root, 'lsm'), 'lockdown,capability');
      expect(await kernel().state()).to.include({ enforcing: false, reason: 'AppArmorDisabled' });
      const nowhere = await openAppArmorKernel(join(root, 'nowhere')).state();
      expect(nowhere).to.include({ enforcing: false, reason: 'SecurityfsMissing' });
    });

    it('says so where the files cannot be used', async () => {
      await rm(join(apparmor, '.replace'));
      const state = await kernel().state();
      expect(state).to.include({ enforcing: false, reason: 'NoPermission' });
      expect(state).to.have.property('message').that.contains('ENOENT');
    });

    it('says so where the folder itself cannot be read', async () => {
      const loop = join(root, 'loop');
      await mkdir(loop);
      await symlink('apparmor', join(loop, 'apparmor'));
      expect(await openAppArmorKernel(loop).state()).to.include({ enforcing: false, reason: 'NoPermission' });
    });
  });

  describe('revision', () => {
    it('is the number in the file', async () => {
      await writeFile(join(apparmor, 'revision'), '42\n');
      expect(await kernel().revision()).to.equal('42');
    });

    it('is 0 where there is nothing to read yet', async () => {
      await writeFile(join(apparmor, 'revision'), '');
      expect(await kernel().revision()).to.equal('0');
    });

    it('throws what the file system says', async () => {
      expect(await codeOf(kernel().revision())).to.equal('ENOENT');
    });
  });

  describe('profiles', () => {
    it('reads names, modes and hashes, and children below their parent', async () => {
      const web = await addProfile('web.3', { name: 'web\n', mode: 'enforce\n', attach: '<unknown>\n' });
      await mkdir(join(apparmor, 'policy/raw_data/7'), { recursive: true });
      await writeFile(join(apparmor, 'policy/raw_data/7/sha256'), 'ab12\n');
      await symlink('../../raw_data/7/sha256', join(web, 'raw_sha256'));
      await addProfile('web.3/profiles/usr.bin.curl.4', { name: '/usr/bin/curl\n', mode: 'complain\n' });
      await addProfile('web.3/profiles/usr.bin.curl.4/profiles/hat.5', { name: 'hat\n', mode: 'kill\n' });
      expect(byName(await kernel().profiles())).to.deep.equal([
        { name: 'web', mode: 'enforce', rawSha256: 'ab12', attach: '<unknown>' },
        { name: 'web///usr/bin/curl', mode: 'complain' },
        { name: 'web///usr/bin/curl//hat', mode: 'kill' },
      ]);
    });

    it('reads the SHA-1 that kernels before 6.8 show', async () => {
      await addProfile('web.3', { name: 'web\n', mode: 'enforce\n', raw_sha1: 'cd34\n' });
      expect(await kernel().profiles()).to.deep.equal([{ name: 'web', mode: 'enforce', rawSha1: 'cd34' }]);
    });

    it('takes full names of children as they are', async () => {
      await addProfile('web.3', { name: 'web\n', mode: 'enforce\n' });
      await addProfile('web.3/profiles/hat.4', { name: 'web//hat\n', mode: 'enforce\n' });
      expect((await kernel().profiles()).map(({ name }) => name)).to.deep.equal(['web', 'web//hat']);
    });

    it('skips what complain mode learned without reading it, but not a top-level profile of that name', async () => {
      await addProfile('web.3', { name: 'web\n', mode: 'complain\n' });
      // A folder without files would be left out too; a link to nothing would not be readable as a folder.
      await mkdir(join(apparmor, 'policy/profiles/web.3/profiles'));
      await symlink('nowhere', join(apparmor, 'policy/profiles/web.3/profiles/null-.usr.bin.id.9'));
      await addProfile('null-device.5', { name: 'null-device\n', mode: 'enforce\n' });
      expect(byName(await kernel().profiles()).map(({ name }) => name)).to.deep.equal(['null-device', 'web']);
    });

    it('reads more profiles than it reads at once', async () => {
      for (let at = 0; at < 21; at++) await addProfile(`p${at}.${at}`, { name: `p${at}\n`, mode: 'enforce\n' });
      expect(await kernel().profiles()).to.have.length(21);
    });

    it('leaves out what goes away meanwhile, and keeps unusual names whole', async () => {
      await addProfile('gone.1', {});
      await addProfile('odd.2', { name: 'a (b) c\n', mode: 'enforce\n' });
      expect((await kernel().profiles()).map(({ name }) => name)).to.deep.equal(['a (b) c']);
    });

    it('reads a profile whose folder is no text, as the kernel makes it of a name beyond ASCII', async () => {
      const path = Buffer.concat([
        Buffer.from(join(apparmor, 'policy/profiles/')),
        Buffer.from([0xd0, 0xd1, 0xd0]),
        Buffer.from('.31'),
      ]);
      await mkdir(path);
      for (const [name, content] of Object.entries({ name: 'при\n', mode: 'enforce\n', raw_sha256: 'ab\n' })) {
        await writeFile(Buffer.concat([path, Buffer.from(`/${name}`)]), content);
      }
      expect(await kernel().profiles()).to.deep.equal([{ name: 'при', mode: 'enforce', rawSha256: 'ab' }]);
    });

    it('throws if the list cannot be read', async () => {
      await rm(join(apparmor, 'policy'), { recursive: true });
      expect(await codeOf(kernel().profiles())).to.equal('ENOENT');
    });

    it('throws if a profile cannot be read', async () => {
      const path = await addProfile('web.3', { mode: 'enforce\n' });
      await mkdir(join(path, 'name'));
      expect(await codeOf(kernel().profiles())).to.equal('EISDIR');
    });
  });

  describe('load and remove', () => {
    it('write the bytes as they are', async () => {
      await kernel().load(Buffer.from([1, 0, 255]));
      await kernel().remove('web//hat');
      expect([...(await readFile(join(apparmor, '.replace')))]).to.deep.equal([1, 0, 255]);
      expect(await readFile(join(apparmor, '.remove'), 'utf8')).to.equal('web//hat');
    });

    it('say what the kernel said, and what to do', async () => {
      await rm(join(apparmor, '.replace'));
      await mkdir(join(apparmor, '.replace'));
      const error = await kernel()
        .load(Buffer.from('x'))
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      expect(error).to.be.instanceOf(KernelWriteError);
      expect(error).to.include({ code: 'EISDIR', operation: 'load' });
      await chmod(apparmor, 0o700);
    });
  });

  it('reads boot id and release', async () => {
    await mkdir(join(root, 'sys/kernel/random'), { recursive: true });
    await writeFile(join(root, 'sys/kernel/random/boot_id'), '7c1f-1\n');
    await writeFile(join(root, 'sys/kernel/osrelease'), '6.12.0\n');
    expect([await bootId(root), await kernelRelease(root)]).to.deep.equal(['7c1f-1', '6.12.0']);
    await writeFile(join(root, 'sys/kernel/random/boot_id'), '\n');
    const error = await bootId(root).catch((thrown: unknown) => thrown);
    expect(error).to.have.property('message').that.contains('boot_id is empty');
  });

  it('knows the names that learning makes up', () => {
    expect(['web//null-/bin/id', 'web//hat//null-x'].every(isLearningName)).to.equal(true);
    expect(['null-x', 'web//nullable', 'web//hat'].some(isLearningName)).to.equal(false);
  });
});

describe('kernel/write-error', () => {
  for (const [code, remedy] of [
    ['EACCES', 'CAP_MAC_ADMIN'],
    ['EROFS', 'writable'],
    ['ENOMEM', 'free memory'],
    ['EPROTO', 'simplify'],
    ['EPROTONOSUPPORT', 'update the kernel'],
    ['EWHAT', 'kernel log'],
  ] as const) {
    it(`${code} has a remedy`, () => {
      const error = new KernelWriteError('load', code);
      expect(error.message).to.contain(code);
      expect(error.remedy).to.contain(remedy);
    });
  }

  it('says what was to be removed', () => {
    const cause = new Error('x');
    const error = new KernelWriteError('remove', 'ENOENT', cause);
    expect(error.message).to.match(/did not remove the profile \(ENOENT\)/);
    expect(error.cause).to.equal(cause);
  });
});

function byName<T extends { name: string }>(profiles: readonly T[]): T[] {
  return [...profiles].sort((left, right) => (left.name < right.name ? -1 : 1));
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
}
