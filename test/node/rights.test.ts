import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { createTransport, type KubeRequest, type Transport } from '../../src/kube/transport.ts';
import { cluster } from './fixture.ts';
import { inNode, kubectl, tryKubectl } from './operator.ts';

const NAMESPACE = 'apparmor-operator';
const AGENT = `system:serviceaccount:${NAMESPACE}:apparmor-operator-agent`;

/** Bit 33 of a capability set: CAP_MAC_ADMIN (include/uapi/linux/capability.h). */
const MAC_ADMIN_ALONE = '0000000200000000';

interface PodSummary {
  metadata: { name: string };
  spec: { nodeName: string };
}

describe('what the operator may do', () => {
  let agents: PodSummary[];

  before(async () => {
    agents = (
      JSON.parse(
        await kubectl(['get', 'pods', '-n', NAMESPACE, '-l', 'app.kubernetes.io/component=agent', '-o', 'json']),
      ) as { items: PodSummary[] }
    ).items;
    expect(agents.map(({ spec }) => spec.nodeName).sort()).to.deep.equal(
      cluster()
        .nodes.map(({ name }) => name)
        .sort(),
    );
  });

  it('the agent has MAC_ADMIN and no other capability, cannot gain any, and runs under seccomp', async () => {
    const statuses = await Promise.all(
      agents.map(({ metadata }) => kubectl(['exec', '-n', NAMESPACE, metadata.name, '--', 'cat', '/proc/1/status'])),
    );
    for (const status of statuses) {
      for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
        expect(status).to.match(new RegExp(`^${set}:\\s+${MAC_ADMIN_ALONE}$`, 'm'));
      expect(status).to.match(/^NoNewPrivs:\s+1$/m);
      expect(status).to.match(/^Seccomp:\s+2$/m);
    }
  });

  it('the agent can write nothing in its own file system, and not to the host’s sysctls', async () => {
    const paths = ['/usr/bin/written', '/proc/sys/kernel/printk'];
    // The last line is the control: a path that can be written.
    const script = [...paths, '/dev/null'].map((path) => `sh -c 'echo 1 > ${path}' && echo ${path}`).join('; ');
    const outputs = await Promise.all(
      agents.map(({ metadata }) => kubectl(['exec', '-n', NAMESPACE, metadata.name, '--', 'sh', '-c', script])),
    );
    for (const written of outputs) expect(written.trim()).to.equal('/dev/null');
  });

  it('no container of ours is privileged or shares a namespace of the host', async () => {
    const pods = await kubectl(['get', 'pods', '-n', NAMESPACE, '-o', 'json']);
    for (const word of ['"privileged": true', '"hostPID": true', '"hostNetwork": true', '"hostIPC": true']) {
      expect(pods).not.to.contain(word);
    }
  });

  it('the controller runs as a user that is not root', async () => {
    const pods = await kubectl([
      'get',
      'pods',
      '-n',
      NAMESPACE,
      '-l',
      'app.kubernetes.io/component=controller',
      '-o',
      'jsonpath={.items[0].metadata.name}',
    ]);
    const status = await kubectl(['exec', '-n', NAMESPACE, pods, '--', 'cat', '/proc/1/status']);
    expect(status).not.to.match(/^Uid:\s+0\b/m);
    expect(status).to.match(/^CapEff:\s+0+$/m);
  });

  const agentMay: [string[], boolean][] = [
    [['list', 'controllerrevisions.apps', '-n', NAMESPACE], true],
    [['watch', 'nodes'], true],
    [['patch', 'apparmornodes.apparmor-operator.dev', '--subresource=status'], true],
    [['list', 'controllerrevisions.apps', '-n', 'default'], false],
    [['create', 'controllerrevisions.apps', '-n', NAMESPACE], false],
    [['patch', 'apparmornodes.apparmor-operator.dev'], false],
    [['list', 'pods', '--all-namespaces'], false],
    [['list', 'pods', '-n', NAMESPACE], false],
    [['get', 'apparmorprofiles.apparmor-operator.dev'], false],
    [['get', 'secrets', '-n', NAMESPACE], false],
    [['patch', 'nodes'], false],
  ];
  for (const [words, may] of agentMay) {
    it(`the agent’s account ${may ? 'may' : 'may not'} ${words.join(' ')}`, async () => {
      const { stdout } = await tryKubectl(['auth', 'can-i', ...words, `--as=${AGENT}`]);
      expect(stdout.trim().split('\n').at(-1)).to.equal(may ? 'yes' : 'no');
    });
  }

  it('an agent may write the report of its own node and of no other', async () => {
    const [first, second] = cluster().nodes;
    const agent = agents.find(({ spec }) => spec.nodeName === first?.name);
    if (first === undefined || second === undefined || agent === undefined)
      throw new Error('this test needs two nodes');
    const transport = await reachAs(agent.metadata.name);
    try {
      await transport.request(emptyReport(first.name));
      const refusal = await transport.request(emptyReport(second.name)).catch((error: unknown) => error);
      expect(String(refusal)).to.contain(
        `the agent on node ${first.name} may write only the AppArmorNode of that name`,
      );
    } finally {
      await transport.close();
    }
  });

  it('the only host folder that was written is the state folder', async () => {
    for (const node of cluster().nodes) {
      const { stdout } = await inNode(node, 'stat -c "%a %U" /var/lib/apparmor-operator');
      expect(stdout.trim()).to.equal('700 root');
    }
  });
});

/** Access with a token that is bound to the agent's pod, and through it to its node: what the agent itself has. */
async function reachAs(pod: string): Promise<Transport> {
  const token = await kubectl([
    'create',
    'token',
    'apparmor-operator-agent',
    `--namespace=${NAMESPACE}`,
    '--bound-object-kind=Pod',
    `--bound-object-name=${pod}`,
  ]);
  const { url, authority } = cluster().controlPlane;
  const access = { url, ca: await readFile(authority.certificate), token: async () => token.trim() };
  return createTransport(access, { userAgent: 'node-tests', timeoutMs: 30_000 });
}

/** The agent's own kind of write, without an effect. kubectl would read first, which the agent may not. */
function emptyReport(node: string): KubeRequest {
  return {
    method: 'PATCH',
    path: `/apis/apparmor-operator.dev/v1alpha1/apparmornodes/${node}/status`,
    contentType: 'application/merge-patch+json',
    query: { dryRun: 'All' },
    body: {},
  };
}
