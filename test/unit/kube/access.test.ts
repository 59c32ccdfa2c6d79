import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { inClusterAccess } from '../../../src/kube/access.ts';

describe('access from within the cluster', () => {
  let folder: string;
  let time: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kube-'));
    time = 0;
    await writeFile(join(folder, 'ca.crt'), 'authority');
    await writeFile(join(folder, 'token'), 'first\n');
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const access = (host = '10.96.0.1'): ReturnType<typeof inClusterAccess> =>
    inClusterAccess({ host, port: '443', folder, now: () => time });

  it('has the address, the authority and the token', async () => {
    const { url, ca, token } = await access();
    expect([url, String(ca), await token?.()]).to.deep.equal(['https://10.96.0.1:443', 'authority', 'first']);
  });

  it('writes an IPv6 address as URLs want it', async () => {
    expect((await access('fd00::1')).url).to.equal('https://[fd00::1]:443');
  });

  it('reads the token again after 60 s, not before', async () => {
    const { token } = await access();
    await writeFile(join(folder, 'token'), 'second');
    time = 59_999;
    expect(await token?.()).to.equal('first');
    time = 60_000;
    expect(await token?.()).to.equal('second');
  });

  it('goes on with the last token while the file cannot be read', async () => {
    const { token } = await access();
    await rm(join(folder, 'token'));
    time = 60_000;
    expect(await token?.()).to.equal('first');
    await writeFile(join(folder, 'token'), 'second');
    time = 120_000;
    expect(await token?.()).to.equal('second');
  });

  it('throws where there is no ServiceAccount', async () => {
    for (const file of ['token', 'ca.crt']) {
      await rm(join(folder, file));
      const outcome = await access().catch((error: unknown) => error);
      expect(outcome).to.have.property('code', 'ENOENT');
    }
  });
});
