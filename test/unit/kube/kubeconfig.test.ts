import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';

describe('access by a kubeconfig', () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kube-'));
    path = join(folder, 'config');
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function write(cluster: object, user: object): Promise<void> {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      clusters: [{ name: 'c', cluster: { server: 'https://example.test:6443', ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    };
    await writeFile(path, JSON.stringify(config));
  }

  it('reads authority and certificate from data or from files', async () => {
    await write(
      { 'certificate-authority-data': btoa('authority'), 'tls-server-name': 'kubernetes' },
      { 'client-certificate-data': btoa('certificate'), 'client-key-data': btoa('key') },
    );
    const inline = kubeconfigAccess(path);
    expect(inline).to.include({ url: 'https://example.test:6443', serverName: 'kubernetes' });
    expect([inline.ca, inline.cert, inline.key].map(String)).to.deep.equal(['authority', 'certificate', 'key']);
    expect(inline).not.to.have.property('token');

    for (const name of ['ca', 'crt', 'key']) await writeFile(join(folder, name), `${name} of a file`);
    await write({ 'certificate-authority': 'ca' }, { 'client-certificate': 'crt', 'client-key': 'key' });
    const { ca, cert, key } = kubeconfigAccess(path);
    expect([ca, cert, key].map(String)).to.deep.equal(['ca of a file', 'crt of a file', 'key of a file']);
  });

  it('reads a token, and runs a credential plugin', async () => {
    await write({}, { token: 'secret' });
    expect(await kubeconfigAccess(path).token?.()).to.equal('secret');
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'made' },
    };
    const exec = { apiVersion: credential.apiVersion, command: 'echo', args: [JSON.stringify(credential)] };
    await write({}, { exec });
    expect(await kubeconfigAccess(path).token?.()).to.equal('made');
  });

  it('says so when the user has nothing to show', async () => {
    await write({}, {});
    const outcome = await kubeconfigAccess(path).token?.().catch(String);
    expect(outcome).to.contain('neither a certificate nor a token');
  });

  const refused = [
    {
      title: 'unverified TLS',
      cluster: { 'insecure-skip-tls-verify': true },
      user: {},
      message: 'insecure-skip-tls-verify',
    },
    { title: 'a proxy', cluster: { 'proxy-url': 'http://proxy' }, user: {}, message: 'proxy-url' },
    { title: 'a password', cluster: {}, user: { username: 'a', password: 'b' }, message: 'passwords' },
  ];
  for (const { title, cluster, user, message } of refused) {
    it(`refuses ${title}`, async () => {
      await write(cluster, user);
      expect(() => kubeconfigAccess(path)).to.throw(message);
    });
  }

  it('throws where there is no file, or no cluster', async () => {
    expect(() => kubeconfigAccess(path)).to.throw('ENOENT');
    await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: [], users: [], contexts: [] }));
    expect(() => kubeconfigAccess(path)).to.throw('names no cluster');
  });
});
