import { expect } from 'chai';
import { namePrefix } from '../fixture.ts';
import { create, kubectl, profile } from './installation.ts';

const TIME = '2026-01-01T00:00:00Z';

describe('what kubectl prints', function () {
  this.timeout(60_000);

  it('columns of AppArmorProfile from its status', async function () {
    const name = `${namePrefix(this)}columns`;
    await create(profile(name, { policy: 'profile p flags=(complain) { file, }' }));
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'Loaded',
      message: 'on all nodes',
      lastTransitionTime: TIME,
    };
    const status = { conditions: [condition], mode: 'Complain', nodesLoaded: '3/3', podsConfined: '5/7' };
    await patchStatus('apparmorprofile', name, status);
    const rows = await table(['get', 'apparmorprofile', name]);
    const wide = await table(['get', 'aap', name, '-o', 'wide']);
    await kubectl(['delete', 'apparmorprofile', name]);
    expect(rows[0]).to.deep.equal(['NAME', 'READY', 'NODES', 'PODS', 'MODE', 'REASON', 'AGE']);
    expect(rows[1]?.slice(0, 6)).to.deep.equal([name, 'True', '3/3', '5/7', 'Complain', 'Loaded']);
    expect(wide[0]?.at(-1)).to.equal('MESSAGE');
    expect(wide[1]?.at(-1)).to.equal('on all nodes');
  });

  it('columns of AppArmorNode from its status', async function () {
    const name = `${namePrefix(this)}columns`;
    await create({ apiVersion: 'apparmor-operator.dev/v1alpha1', kind: 'AppArmorNode', metadata: { name } });
    const problem = {
      profile: 'p',
      object: 'o',
      revision: 'r',
      state: 'Failed',
      reason: 'CompileFailed',
      message: 'line 3: no',
    };
    const status = { enforcing: true, loadedCount: 2, problemCount: 1, kernel: '6.12.0', problems: [problem] };
    await patchStatus('apparmornode', name, { ...status, loaded: { a: 'r1', b: 'r2' }, loadedSince: { a: TIME } });
    const rows = await table(['get', 'aan', name]);
    await kubectl(['delete', 'apparmornode', name]);
    expect(rows[0]).to.deep.equal(['NAME', 'ENFORCING', 'LOADED', 'PROBLEMS', 'KERNEL', 'AGE']);
    expect(rows[1]?.slice(0, 5)).to.deep.equal([name, 'true', '2', '1', '6.12.0']);
  });

  it('both kinds under their short names, whatever the case, and in the category security', async () => {
    for (const word of [
      'apparmorprofiles',
      'appArmorprofiles',
      'AppArmorProfile',
      'aap',
      'aan',
      'apparmornodes',
      'security',
    ]) {
      await kubectl(['get', word]);
    }
    const category = await kubectl(['api-resources', '--categories=security', '-o', 'name']);
    expect(category.trim().split('\n')).to.have.members([
      'apparmorprofiles.apparmor-operator.dev',
      'apparmornodes.apparmor-operator.dev',
    ]);
  });

  it('an explanation of every field', async () => {
    for (const kind of ['apparmorprofiles', 'apparmornodes']) {
      const explained = await kubectl(['explain', kind, '--recursive']);
      expect(explained).to.contain('spec').and.to.contain('status');
    }
    const spec = await kubectl(['explain', 'apparmorprofiles.spec']);
    expect(spec).to.match(
      /mode\s+<string>\n\s*enum: Enforce, Complain\n\s+Enforce: what the policy does not allow is refused/,
    );
    expect(spec).to.match(/policy\s+<string> -required-/);
    expect(spec).not.to.contain('<no description>');
    expect(await kubectl(['explain', 'aap.spec.pods'])).to.match(/pods\s+that\s+exist\s+already\s+keep/);
    expect(await kubectl(['explain', 'apparmornodes.spec.unload'])).to.match(/no\s+process\s+runs\s+under\s+them/);
  });
});

async function patchStatus(kind: string, name: string, status: object): Promise<void> {
  await kubectl(['patch', kind, name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })]);
}

/** Cells of what kubectl prints; two spaces and more part them. */
async function table(args: readonly string[]): Promise<string[][]> {
  const lines = (await kubectl(args)).trimEnd().split('\n');
  return lines.map((line) => line.trim().split(/ {2,}/));
}
