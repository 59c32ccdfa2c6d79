import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { cluster, twoNodes } from './fixture.ts';
import { applyProfiles, conditionOf, inPod, kernelProfiles, kubectl, profileReady, runPod } from './operator.ts';

/** Case A08's kind: as many rules as the largest generated policy that was seen, 2,358 lines and 141 KB. */
const GENERATED_RULES = 2350;

const GENERATED = 'cases-registry.k8s.io.ingress-nginx_controller';
const BRACE =
  'profile cases-brace flags=(attach_disconnected) {\n  file,\n  deny /{,usr/}{,local/}etc/{host{name,{,s}-none},none} r,\n}\n';

describe('policies as users have them', () => {
  before(async () => {
    const rules = Array.from(
      { length: GENERATED_RULES },
      (_, index) => `  /usr/share/generated-${index % 97}/lib/module-${index}/*.so mr,`,
    );
    const child = await readFile(new URL('../inputs/policies/child', import.meta.url), 'utf8');
    await applyProfiles({
      'cases-brace': { policy: BRACE },
      'cases-child': { policy: child.replace('profile parent', 'profile cases-parent') },
      'cases-two': { policy: 'profile cases-two-a { file, }\n\tprofile cases-two-b { file, }\n' },
      'cases-generated': { policy: `profile ${GENERATED} {\n  file,\n${rules.join('\n')}\n}\n` },
    });
    await kubectl(['apply', '-f', 'profiles/deny-write.yaml']);
  });

  it('A01: the Kubernetes documentation’s sample, from profiles/', async () => {
    const profile = await profileReady('k8s-apparmor-example-deny-write');
    expect(profile.status?.profiles).to.deep.equal(['k8s-apparmor-example-deny-write']);
    await expectOnEveryNode(['k8s-apparmor-example-deny-write']);
  });

  it('A06: children and hats belong to their parent, with the names that the kernel shows', async () => {
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

  it('A12: nested alternations reach the parser byte for byte', async () => {
    const profile = await profileReady('cases-brace');
    expect(profile.spec?.policy).to.equal(BRACE);
    const [node] = twoNodes();
    await runPod({ name: 'cases-brace', node, profile: 'cases-brace' });
    expect((await inPod('cases-brace', ['cat', '/etc/hostname'])).stderr).to.contain('Permission denied');
    expect((await inPod('cases-brace', ['cat', '/etc/hosts'])).code).to.equal(0);
  });

  it('A04: the second profile of a text is counted and loaded, not smuggled in', async () => {
    const profile = await profileReady('cases-two');
    expect(profile.status?.profiles).to.deep.equal(['cases-two-a', 'cases-two-b']);
    expect(conditionOf(profile, 'Ready')?.status).to.equal('True');
    await expectOnEveryNode(['cases-two-a', 'cases-two-b']);
  });

  it('A08: a generated policy of 140 KB with dots in its name', async () => {
    const profile = await profileReady('cases-generated');
    expect(profile.status?.profiles).to.deep.equal([GENERATED]);
    await expectOnEveryNode([GENERATED]);
  });
});

async function expectOnEveryNode(names: readonly string[]): Promise<void> {
  for (const node of cluster().nodes) {
    expect([...(await kernelProfiles(node)).keys()], node.name).to.include.members([...names]);
  }
}
