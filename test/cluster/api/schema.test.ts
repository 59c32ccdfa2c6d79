import { expect } from 'chai';
import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { namePrefix } from '../fixture.ts';
import { administrator, creation, GROUP_PATH, kubectl, profile, ROOT, type Caller } from './installation.ts';

const POLICY = 'profile p {\n  file,\n}\n';
const KIB = 1024;
const PROFILES = `${GROUP_PATH}/apparmorprofiles`;

describe('the schema of AppArmorProfile', function () {
  this.timeout(60_000);

  let admin: Caller;
  before(() => {
    admin = administrator();
  });
  after(() => admin.close());

  const refused: { title: string; spec: object; message: RegExp }[] = [
    { title: 'no policy', spec: {}, message: /spec\.policy: Required value/ },
    { title: 'an empty policy', spec: { policy: '' }, message: /spec\.policy: .*at least 1 chars long/ },
    { title: 'an unknown mode', spec: { policy: POLICY, mode: 'enforce' }, message: /spec\.mode: Unsupported value: "enforce": .*"Enforce", "Complain"/ },
    { title: 'an unknown conflict policy', spec: { policy: POLICY, conflictPolicy: 'Force' }, message: /spec\.conflictPolicy: Unsupported value/ },
    { title: 'an attachment that is no boolean', spec: { policy: POLICY, allowHostAttachment: 'yes' }, message: /spec\.allowHostAttachment: Invalid value/ },
    { title: 'a selector key that is no label', spec: { policy: POLICY, nodeSelector: { '-a b': 'c' } }, message: /spec\.nodeSelector: .*must be the key of a label/ },
    { title: 'a selector value that is no label', spec: { policy: POLICY, nodeSelector: { a: 'b c' } }, message: /spec\.nodeSelector\.a: .*should match/ },
    { title: 'a variant that would replace the policy everywhere', spec: { policy: POLICY, variants: [{ nodeSelector: {}, policy: POLICY }] }, message: /spec\.variants\[0\]\.nodeSelector: .*at least 1 propert/ },
    { title: 'a variant without a policy', spec: { policy: POLICY, variants: [{ nodeSelector: { a: 'b' } }] }, message: /spec\.variants\[0\]\.policy: Required value/ },
    { title: 'a text over 512 KiB', spec: { policy: 'x'.repeat(512 * KIB + 1) }, message: /spec\.policy: Too long: may not be more than 524288/ },
    { title: 'a text over 512 KiB in bytes, not in characters', spec: { policy: 'é'.repeat(256 * KIB + 1) }, message: /together are larger than 512 KiB: split the profiles/ },
    { title: 'texts over 512 KiB together', spec: { policy: 'x'.repeat(256 * KIB), variants: [{ nodeSelector: { a: 'b' }, policy: 'x'.repeat(256 * KIB + 1) }] }, message: /together are larger than 512 KiB/ },
    { title: 'pods without a selector', spec: { policy: POLICY, pods: { priority: 1 } }, message: /spec\.pods: .*at least one of selector and namespaceSelector must be given/ },
    { title: 'pods with an operator without values', spec: { policy: POLICY, pods: { selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } }, message: /spec\.pods\.selector\.matchExpressions\[0\]: .*values must be given/ },
    { title: 'pods with values for Exists', spec: { policy: POLICY, pods: { selector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } } }, message: /matchExpressions\[0\]: .*must be absent for Exists/ },
    { title: 'pods with an unknown restart', spec: { policy: POLICY, pods: { selector: {}, restart: 'Delete' } }, message: /spec\.pods\.restart: Unsupported value/ },
    { title: 'pods with an empty list of containers', spec: { policy: POLICY, pods: { selector: {}, containers: [] } }, message: /spec\.pods\.containers: .*at least 1 items/ },
    { title: 'pods with one container twice', spec: { policy: POLICY, pods: { selector: {}, containers: ['a', 'a'] } }, message: /spec\.pods\.containers\[1\]: Duplicate value/ },
  ]; // prettier-ignore

  for (const { title, spec, message } of refused) {
    it(`refuses ${title}`, async () => {
      expect(await admin.refused(creation(PROFILES, profile('refused', spec), { dryRun: 'All' }))).to.match(message);
    });
  }

  const accepted: { title: string; spec: object }[] = [
    { title: 'a policy alone', spec: { policy: POLICY } },
    { title: 'exactly 512 KiB', spec: { policy: 'é'.repeat(256 * KIB) } },
    {
      title: 'every field that works',
      spec: {
        policy: POLICY,
        mode: 'Complain',
        nodeSelector: { 'topology.kubernetes.io/zone': 'a', pool: '' },
        variants: [{ nodeSelector: { os: 'ubuntu' }, policy: POLICY }],
        pods: {
          namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] },
          selector: { matchLabels: { app: 'web' } },
          containers: ['web'],
          profile: 'web',
          priority: 1,
          restart: 'Never',
        },
        conflictPolicy: 'Replace',
        allowHostAttachment: true,
      },
    },
    { title: 'an empty node selector', spec: { policy: POLICY, nodeSelector: {} } },
  ];

  for (const { title, spec } of accepted) {
    it(`stores ${title} as it was written, with nothing added`, async function () {
      const name = `${namePrefix(this)}stored`;
      await admin.ask(creation(PROFILES, profile(name, spec)));
      const stored = (await admin.ask({ method: 'GET', path: `${PROFILES}/${name}` })) as AppArmorProfile;
      await admin.ask({ method: 'DELETE', path: `${PROFILES}/${name}` });
      expect(stored.spec).to.deep.equal(spec);
      expect(stored).to.not.have.property('status');
      expect(stored.metadata).to.not.have.any.keys('labels', 'annotations', 'finalizers');
    });
  }

  it('refuses a field that it does not know', async () => {
    const object = profile('unknown', { policy: POLICY, nodeselector: {} });
    expect(await admin.refused(creation(PROFILES, object))).to.contain('unknown field "spec.nodeselector"');
  });

  it('keeps status and spec apart', async function () {
    const path = `${PROFILES}/${namePrefix(this)}status`;
    const name = path.slice(PROFILES.length + 1);
    await admin.ask(creation(PROFILES, { ...profile(name, { policy: POLICY }), status: { revision: 'from a user' } }));
    const created = (await admin.ask({ method: 'GET', path })) as AppArmorProfile;
    expect(created).to.not.have.property('status');
    const body = { status: { revision: 'r' }, spec: { policy: 'from a controller' } };
    const contentType = 'application/merge-patch+json';
    const patched = (await admin.ask({
      method: 'PATCH',
      path: `${path}/status`,
      body,
      contentType,
    })) as AppArmorProfile;
    await admin.ask({ method: 'DELETE', path });
    expect(patched.status?.revision).to.equal('r');
    expect(patched.spec.policy).to.equal(POLICY);
    expect(patched.metadata.generation).to.equal(1);
  });

  it('takes the samples', async () => {
    await kubectl(['apply', '--dry-run=server', '-f', `${ROOT}/profiles`]);
  });
});
