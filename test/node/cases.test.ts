import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { cluster } from './fixture.ts';
import { applyProfile, conditionOf, inPod, kernelProfiles, kubectl, profileReady, runPod } from './operator.ts';

/** Case A08's kind: as many rules as the largest generated policy that was seen, 2,358 lines and 141 KB. */
const GENERATED_RULES = 2350;

describe('policies as users have them', () => {
  it('A01: the Kubernetes documentation’s sample, from profiles/', async () => {
    await kubectl(['apply', '-f', 'profiles/deny-write.yaml']);
    const profile = await profileReady('k8s-apparmor-example-deny-write');
    expect(profile.status?.profiles).to.deep.equal(['k8s-apparmor-example-deny-write']);
    await expectOnEveryNode(['k8s-apparmor-example-deny-write']);
  });

  it('A06: children and hats belong to their parent, with the names that the kernel shows', async () => {
    const policy = await readFile(new URL('../inputs/policies/child', import.meta.url), 'utf8');
    await applyProfile('cases-child', { policy: policy.replace('profile parent', 'profile cases-parent') });
    const profile = await profileReady('cases-child');
    expect(profile.status?.profiles).to.deep.equal(['cases-parent']);
    await expectOnEveryNode([
      'cases-parent',
      'cases-parent///usr/sbin/dnsmasq',
      'cases-parent//usr/bin/myprogram',
      'cases-parent//named',
      'cases-parent//HAT',
      'cases-parent//HAT2',
    ]);
  });

  it('A08: a generated policy of 140 KB with dots in its name', async () => {
    const name = 'cases-registry.k8s.io.ingress-nginx_controller';
    const rules = Array.from(
      { length: GENERATED_RULES },
      (_, index) => `  /usr/share/generated-${index % 97}/lib/module-${index}/*.so mr,`,
    );
    await applyProfile('cases-generated', { policy: `profile ${name} {\n  file,\n${rules.join('\n')}\n}\n` });
    const profile = await profileReady('cases-generated');
    expect(profile.status?.profiles).to.deep.equal([name]);
    await expectOnEveryNode([name]);
  });

  it('A12: nested alternations reach the parser byte for byte', async () => {
    const policy =
      'profile cases-brace flags=(attach_disconnected) {\n  file,\n  deny /{,usr/}{,local/}etc/{host{name,{,s}-none},none} r,\n}\n';
    await applyProfile('cases-brace', { policy });
    const profile = await profileReady('cases-brace');
    expect(profile.spec?.policy).to.equal(policy);
    const [node] = cluster().nodes;
    if (node === undefined) throw new Error('this test needs a node');
    await runPod({ name: 'cases-brace', node, profile: 'cases-brace' });
    expect((await inPod('cases-brace', ['cat', '/etc/hostname'])).stderr).to.contain('Permission denied');
    expect((await inPod('cases-brace', ['cat', '/etc/hosts'])).code).to.equal(0);
  });

  it('A04: the second profile of a text is counted and loaded, not smuggled in', async () => {
    await applyProfile('cases-two', { policy: 'profile cases-two-a { file, }\n\tprofile cases-two-b { file, }\n' });
    const profile = await profileReady('cases-two');
    expect(profile.status?.profiles).to.deep.equal(['cases-two-a', 'cases-two-b']);
    expect(conditionOf(profile, 'Ready')?.status).to.equal('True');
    await expectOnEveryNode(['cases-two-a', 'cases-two-b']);
  });
});

async function expectOnEveryNode(names: readonly string[]): Promise<void> {
  for (const node of cluster().nodes) {
    expect([...(await kernelProfiles(node)).keys()], node.name).to.include.members([...names]);
  }
}
