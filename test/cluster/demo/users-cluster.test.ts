import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CommandResult, run } from '../../testbed/process.ts';
import { controlPlane } from '../fixture.ts';

const PROJECT = join(import.meta.dirname, '../../..');

describe('make demo KUBECONFIG=… IMAGE=…', function () {
  this.timeout(60_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'demo-'));
    // The user's own kubectl.
    await symlink(controlPlane().binary, join(folder, 'kubectl'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  function demo(variables: readonly string[]): Promise<CommandResult> {
    // MAKEFLAGS would carry the variables of `make test` over.
    const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, MAKEFLAGS: '' };
    return run('make', ['--silent', 'demo', ...variables], { cwd: PROJECT, env, accept: 'any' });
  }

  it('refuses a cluster that has the CRDs, and changes nothing there', async () => {
    const before = await namespaces();
    const { code, stdout } = await demo([
      `KUBECONFIG=${controlPlane().kubeconfig}`,
      'IMAGE=registry.example/operator:1',
    ]);
    expect(stdout).to.contain('the cluster has apparmorprofiles.apparmor-operator.dev already');
    expect(code).not.to.equal(0);
    expect(await namespaces())
      .to.equal(before)
      .and.to.contain('namespace/default');
  });

  it('says that the cluster does not answer', async () => {
    const { code, stdout } = await demo([`KUBECONFIG=${join(folder, 'none')}`, 'IMAGE=registry.example/operator:1']);
    expect(stdout).to.contain('the cluster does not answer');
    expect(code).not.to.equal(0);
  });

  it('says which image it wants', async () => {
    const { code, stdout } = await demo([`KUBECONFIG=${controlPlane().kubeconfig}`]);
    expect(stdout).to.contain('IMAGE=NAME:TAG is missing');
    expect(code).not.to.equal(0);
  });
});

async function namespaces(): Promise<string> {
  return (await controlPlane().kubectl(['get', 'namespaces', '-o', 'name'])).stdout;
}
