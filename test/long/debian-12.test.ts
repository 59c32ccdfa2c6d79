import { expect } from 'chai';
import type { AppArmorNode, AppArmorNodeStatusWarning } from '../../src/api/generated/index.ts';
import type { TestNode } from '../testbed/node.ts';
import { agentPod, agentReady, NAMESPACE, removeNode } from '../node/agents.ts';
import { addNode, cluster, twoNodes } from '../node/fixture.ts';
import {
  applyProfiles,
  confinementOf,
  getNodeReport,
  inNode,
  inPod,
  kernelHash,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  profileReady,
  profilesReady,
  runPods,
} from '../node/operator.ts';

const LABEL = 'debian-12-test';
const VARIANT = 'debian-12-variant';
const USERNS = 'debian-12-userns';
const MOUNT = 'debian-12-mount';
const UNIX = 'debian-12-unix';

describe('nodes of two distributions: Debian 13 with kernel 6.12 and Debian 12 with 6.1', () => {
  let newer: TestNode;
  let older: TestNode;

  before(async function () {
    // From nothing, the root file system of Debian 12 has to be made first.
    this.timeout(60 * 60_000);
    [newer] = twoNodes();
    older = await addNode({ suite: 'bookworm' });
    await kubectl(['label', 'node', older.name, `${LABEL}=bookworm`]);
    await applyProfiles({
      [VARIANT]: {
        policy: policy(VARIANT, ['deny /etc/hostname r,']),
        variants: [{ nodeSelector: { [LABEL]: 'bookworm' }, policy: policy(VARIANT, ['deny /etc/hosts r,']) }],
      },
      [USERNS]: { policy: policy(USERNS, ['userns,']) },
      [MOUNT]: { policy: policy(MOUNT, ['mount,']) },
      [UNIX]: { policy: policy(UNIX, ['unix (send) type=stream,']) },
    });
    await profilesReady([VARIANT, USERNS, MOUNT, UNIX]);
  });

  after(async () => {
    await removeNode(older);
  });

  it('are Ready together, each with its own kernel', async () => {
    const nodes = cluster().nodes.length;
    expect((await profileReady(VARIANT)).status?.nodesLoaded).to.equal(`${nodes}/${nodes}`);
    expect((await getNodeReport(newer)).status?.kernel).to.match(/^6\.12\./);
    expect((await getNodeReport(older)).status?.kernel).to.match(/^6\.1\./);
  });

  it('each holds its own text of an object with variants: what the kernel was given differs', async () => {
    const [one, other] = [await compiledFile(newer, VARIANT), await compiledFile(older, VARIANT)];
    expect(one).to.match(/^[0-9a-f]{64}$/);
    expect(other)
      .to.match(/^[0-9a-f]{64}$/)
      .and.not.to.equal(one);
  });

  it('and a pod is refused what the text of its node denies, and only that', async () => {
    const pods = [newer, older].map((node) => ({ name: `debian-12-on-${node.name}`, node, profile: VARIANT }));
    await runPods(pods);
    const files = ['/etc/hostname', '/etc/hosts'];
    const read = async (pod: string): Promise<boolean[]> => {
      const results = await Promise.all(files.map((file) => inPod(pod, ['cat', file])));
      return results.map(({ code }) => code === 0);
    };
    expect(await read(pods[0]?.name ?? '')).to.deep.equal([false, true]);
    expect(await read(pods[1]?.name ?? '')).to.deep.equal([true, false]);
  });

  it('a rule that one kernel cannot mediate is a warning of that node, with the line, and of no other', async () => {
    const { status } = await nodeReportWhen(older, 'warns', (report) => warningsOf(report.status, USERNS).length > 0);
    const [warning] = warningsOf(status, USERNS);
    expect(warning).to.deep.include({ object: USERNS, message: 'userns rules not enforced', line: 2 });
    // It is loaded nevertheless: the kernel would refuse more, were it left out.
    expect(status?.loaded).to.include.keys(USERNS);
    const { status: control } = await getNodeReport(newer);
    expect(control?.loaded).to.include.keys(USERNS);
    expect(warningsOf(control, USERNS)).to.deep.equal([]);
  });

  it('a rule that both kernels mediate more coarsely than it says is a warning of both', async () => {
    for (const node of [newer, older]) {
      const warns = await nodeReportWhen(node, 'warns', ({ status }) => warningsOf(status, UNIX).length > 0);
      expect(warningsOf(warns.status, UNIX)[0]?.message, node.name).to.equal(
        'downgrading extended network unix socket rule to generic network rule',
      );
    }
  });

  it('a kernel with other features on the same state folder: compiled again, and loaded without a gap', async () => {
    const pod = `debian-12-on-${older.name}`;
    const before = await kernelHash(older, MOUNT);
    expect(warningsOf((await getNodeReport(older)).status, MOUNT), 'the control').to.deep.equal([]);
    const { name } = await agentPod(older);
    await inNode(older, HIDE_MOUNT_MEDIATION);
    await kubectl(['delete', 'pod', '-n', NAMESPACE, name, '--timeout=60s']);

    const { status } = await nodeReportWhen(older, 'warns', (report) => warningsOf(report.status, MOUNT).length > 0);
    // The parser's own words.
    expect(warningsOf(status, MOUNT)[0]?.message).to.equal('mount rules not enforce');
    expect(await kernelHash(older, MOUNT))
      .to.match(/^[0-9a-f]{40}$/)
      .and.not.to.equal(before);
    await agentReady(older);
    expect([...(await kernelProfiles(older)).keys()]).to.include.members([VARIANT, USERNS, MOUNT]);
    expect(await confinementOf(pod)).to.equal(`${VARIANT} (enforce)`);
    const after = await getNodeReport(older);
    expect(after.status?.drift ?? []).to.deep.equal([]);
    expect(after.status?.problemCount).to.equal(0);
  });
});

/** What the agent and its parser see of the kernel from the next start of its container on. */
const HIDE_MOUNT_MEDIATION = `set -e
  mkdir /run/features
  mount -t tmpfs tmpfs /run/features
  cp -r /sys/kernel/security/apparmor/features/. /run/features
  rm -r /run/features/mount
  mount --bind /run/features /sys/kernel/security/apparmor/features`;

/** SHA-256 of the compiled policy in the node's state folder that the kernel says it was given, whichever hash it shows. */
async function compiledFile(node: TestNode, profile: string): Promise<string> {
  const hash = await kernelHash(node, profile);
  const digest = hash.length === 40 ? 'sha1sum' : 'sha256sum';
  const script = `cd /var/lib/apparmor-operator/compiled && sha256sum "$(${digest} * | grep '^${hash} ' | cut -c${hash.length + 3}-)"`;
  return (await inNode(node, script)).stdout.slice(0, 64);
}

function warningsOf(status: AppArmorNode['status'], profile: string): AppArmorNodeStatusWarning[] {
  return (status?.warnings ?? []).filter((warning) => warning.profile === profile);
}

function policy(name: string, rules: readonly string[]): string {
  const lines = [...rules, 'file,', 'signal,'].map((rule) => `  ${rule}\n`);
  return `abi <abi/4.0>,\nprofile ${name} flags=(attach_disconnected) {\n${lines.join('')}}\n`;
}
