import { expect } from 'chai';
import type { AppArmorProfile } from '../../src/api/generated/index.ts';
import { APPARMOR_NODE } from '../../src/api/resources.ts';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { type AgentPod, agentPod, agentReady, bootOf, healthOf, NAMESPACE, removeNode } from '../node/agents.ts';
import { addNode, client, cluster } from '../node/fixture.ts';
import {
  applyProfile,
  applyProfiles,
  conditionOf,
  confinementOf,
  createPods,
  DEADLINE_MS,
  getNodeReport,
  getProfile,
  inNode,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  podsReady,
  profileReady,
  profilesReady,
  profileWhen,
  runPod,
} from '../node/operator.ts';
import { POD_NAMESPACE } from '../node/pod-namespace.ts';

const EARLY = ['machines-one', 'machines-two', 'machines-three'];
const LATE = 'machines-late';
const ALL = [...EARLY, LATE];
const PLACED = 'machines-placed';

/** Connections of pods to the API server, and not those of kubelet, which has the node's own network. */
const POD_TO_API = 'FORWARD -p tcp --dport 6443 -j REJECT --reject-with tcp-reset';

/**
 * What is promised in seconds is measured in a processor's own: emulation takes most of its time to translate what runs for the first time, as
 * all does after a boot, and shares two cores with the other machines. By the emulated clock the agent's start alone took 39 s. So for this
 * boot each instruction takes 4 ns, which is several times what it takes on any machine in use.
 */
const INSTRUCTION_NS = 4;

describe('a machine that joins, reboots, boots another kernel and goes', () => {
  let node: TestNode;
  let others: number;

  before('three objects are Ready before it joins, and a fourth comes after', async () => {
    others = cluster().nodes.length;
    await applyProfiles(Object.fromEntries(EARLY.map((name) => [name, { policy: policy(name) }])));
    await profilesReady(EARLY);
    node = await addNode();
    // The runtime leaves the image's files to the kernel to write. What the agent needs later it must have written itself.
    await inNode(node, 'sync');
  });

  after(async () => {
    await removeNode(node);
  });

  it('gets everything that was there before it, and no object stops being Ready meanwhile', async () => {
    const before = await getProfile('machines-one');
    await Promise.all(EARLY.map((name) => loadedOn(name, others + 1)));
    const held = await kernelProfiles(node);
    for (const name of EARLY) expect(held.get(name), name).to.equal('enforce');
    const after = await getProfile('machines-one');
    expect(conditionOf(after, 'Ready')?.status).to.equal('True');
    expect(conditionOf(after, 'Ready')?.lastTransitionTime).to.equal(conditionOf(before, 'Ready')?.lastTransitionTime);
  });

  describe('its plug is pulled, and it boots while its agent cannot reach the API server', () => {
    let earlier: { bootID: string | undefined; container: string };
    let loaded: Loaded;
    let agent: AgentPod;

    before(async function () {
      this.timeout(30 * 60_000);
      await applyProfile(LATE, { policy: policy(LATE) });
      await loadedOn(LATE, others + 1);
      await runPod({ name: 'machines-pod', node, profile: 'machines-one' });
      // What the runtime needs to start the pod again it leaves to the kernel to write, and finds empty otherwise.
      await inNode(node, 'find /var/lib/cni -type f -exec sync {} +');
      const { status } = await getNodeReport(node);
      earlier = { bootID: status?.bootID, container: (await agentPod(node)).containerID };

      await node.boot({ beforeKubelet: `iptables -I ${POD_TO_API}`, instructionNs: INSTRUCTION_NS });
      loaded = await whenLoaded(node, ALL);
      agent = await waitFor("the agent's new container", { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
        const pod = await agentPod(node);
        return pod.startedAt !== undefined && pod.containerID !== earlier.container ? pod : undefined;
      });
      await node.ready();
    });

    it('holds every profile, though its agent has not reached the API server', async () => {
      const startedAt = agent.startedAt ?? NaN;
      const elapsed = loaded.at - startedAt;
      const said = await saidAt(agent, [
        'the agent runs',
        'the node enforces AppArmor',
        'policies are compiled with this',
      ]);
      const steps = said.map(({ what, at }) => `${what} after ${seconds(at - startedAt)}`);
      const whole = `all loaded after ${seconds(elapsed)}, of which the agent had ${loaded.agentCpuSeconds} s of the processor`;
      console.log(`      ${[...steps, whole].join('; ')}`);
      expect(elapsed, whole).to.be.below(15_000);
      const held = await kernelProfiles(node);
      for (const name of ALL) expect(held.get(name), name).to.equal('enforce');
    });

    it('starts its pods again, confined as before', async () => {
      const { container } = earlier;
      await waitFor('the pod runs again', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
        return (await confinementOf('machines-pod').catch(() => '')) === 'machines-one (enforce)';
      });
      expect((await agentPod(node)).containerID).not.to.equal(container);
    });

    it('the agent is not Ready and says why', async () => {
      const answer = await healthOf(node, agent, '/readyz');
      expect(answer).to.match(/^HTTP\/1\.1 503 /);
      expect(answer).to.contain('[-]api-server failed: the API server has not said yet which labels the node has');
      expect(await healthOf(node, agent, '/healthz')).to.match(/^HTTP\/1\.1 200 /);
      expect((await agentPod(node)).ready).to.equal(false);
      // What it sends before kube-proxy knows the API server's address is lost, and given up after 30 s of the node's time.
      await waitFor(
        'its log to say that it was refused or got no answer',
        { deadlineMs: DEADLINE_MS, intervalMs: 1000 },
        async () => {
          return /ECONNREFUSED|no complete answer/.test(await kubectl(['logs', '-n', NAMESPACE, agent.name]));
        },
      );
    });

    it('is counted as joining, since what its agent said was before the boot', async () => {
      const object = await profileWhen('machines-one', 'one pending', ({ status }) => status?.nodes?.pending === 1);
      expect(object.status?.nodes).to.deep.include({ desired: others + 1, loaded: others, unreachable: 0 });
      expect(conditionOf(object, 'Ready')).to.deep.include({ status: 'True' });
      expect(conditionOf(object, 'Ready')?.message).to.contain('1 joining');
      // The control: the row still says that all is loaded.
      const { status } = await getNodeReport(node);
      expect(status).to.deep.include({ bootID: earlier.bootID });
      expect(status?.loaded).to.include.keys(ALL);
    });

    it('is Ready and counted again as soon as the API server can be reached', async () => {
      await inNode(node, `iptables -D ${POD_TO_API}`);
      const report = await nodeReportWhen(node, 'reports of this boot', ({ status }) => {
        return status?.bootID !== earlier.bootID && status?.loadedCount !== 0;
      });
      expect(report.status?.bootID).to.equal(await bootOf(node));
      await Promise.all(ALL.map((name) => loadedOn(name, others + 1)));
      await agentReady(node);
    });
  });

  describe('it boots with apparmor=0', () => {
    before(async () => {
      // kubelet refuses it for good on such a node.
      await kubectl(['delete', 'pod', '-n', POD_NAMESPACE, 'machines-pod', '--timeout=60s']);
      await inNode(node, 'sync');
      await node.boot({ kernelArguments: ['apparmor=0'] });
      await node.ready();
    });

    it('its report says that it does not enforce, why, and what to do', async () => {
      const boot = await bootOf(node);
      const { status } = await nodeReportWhen(node, 'reports of this boot', (report) => report.status?.bootID === boot);
      expect(status).to.deep.include({ enforcing: false, reason: 'AppArmorDisabled', loadedCount: 0, problemCount: 0 });
      expect(status?.message).to.contain('apparmor=1');
      expect(status).not.to.have.any.keys('loaded', 'problems');
    });

    it('objects count it as unsupported and stay Ready', async () => {
      const object = await leftOut('machines-one', '1 AppArmorDisabled');
      expect(object.status?.nodes).to.deep.include({ desired: others + 1, loaded: others, unsupported: 1, failed: 0 });
      expect(object.status?.nodesLoaded).to.equal(`${others}/${others}`);
      expect(conditionOf(object, 'Ready')?.status).to.equal('True');
    });

    it('pods that should be confined are kept off it, and no others', async () => {
      await applyProfile(PLACED, { policy: policy(PLACED), pods: { selector: { matchLabels: { [PLACED]: 'yes' } } } });
      await profileReady(PLACED);
      const labels = { [PLACED]: 'yes' };
      const here = { 'kubernetes.io/hostname': node.name };
      await createPods([
        { name: 'placed-anywhere', labels },
        { name: 'placed-here', labels, nodeSelector: here },
        { name: 'placed-unmatched', nodeSelector: here },
      ]);
      await podsReady(['placed-anywhere', 'placed-unmatched']);
      expect(await confinementOf('placed-anywhere')).to.equal(`${PLACED} (enforce)`);
      const waiting = await waitFor('the scheduler’s word', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
        const path = '{.status.conditions[?(@.type=="PodScheduled")].message}';
        return kubectl(['get', 'pod', '-n', POD_NAMESPACE, 'placed-here', '-o', `jsonpath=${path}`]);
      });
      expect(waiting).to.contain("didn't match Pod's node affinity/selector");
      const pods = ['placed-anywhere', 'placed-here', 'placed-unmatched'].map((name) => `pod/${name}`);
      await kubectl(['delete', '-n', POD_NAMESPACE, ...pods, '--timeout=60s']);
    });

    it('its agent runs, and is healthy and Ready', async () => {
      const agent = await agentReady(node);
      for (const path of ['/healthz', '/readyz']) {
        expect(await healthOf(node, agent, path), path).to.match(/^HTTP\/1\.1 200 /);
      }
    });
  });

  describe('it boots a kernel without securityfs', () => {
    before(async () => {
      await inNode(node, 'sync');
      // What makes /sys/kernel/security is left out, as where the kernel was built without it.
      await node.boot({ kernelArguments: ['initcall_blacklist=securityfs_init'] });
      await node.ready();
      expect((await node.run('ls -d /sys/kernel/security')).stderr).to.contain('No such file');
    });

    it('objects count it as unsupported, which the waiting pod of its agent tells, and stay Ready', async () => {
      const object = await leftOut('machines-one', '1 SecurityfsMissing');
      expect(object.status?.nodes).to.deep.include({ desired: others + 1, loaded: others, unsupported: 1, failed: 0 });
      expect(conditionOf(object, 'Ready')?.status).to.equal('True');
      expect((await agentPod(node)).startedAt).to.equal(undefined);
    });
  });

  // In a suite of its own: mocha runs a suite's own tests before those of the suites in it.
  describe('it is deleted', () => {
    it('leaves no trace', async () => {
      const { name } = node;
      await removeNode(node);
      const object = await profileWhen('machines-one', 'without it', ({ status }) => status?.nodes?.desired === others);
      expect(object.status?.nodes).to.deep.include({ loaded: others, pending: 0, unreachable: 0, unsupported: 0 });
      expect(conditionOf(object, 'Ready')?.message).to.equal(`loaded on ${others} of ${others} nodes`);
      const rows = await client().list<{ metadata: { name: string } }>(APPARMOR_NODE);
      expect(rows.items.map(({ metadata }) => metadata.name))
        .to.include.members(cluster().nodes.map((left) => left.name))
        .and.not.to.include(name);
    });
  });
});

interface Loaded {
  /** In milliseconds since the epoch, by the node's clock: when its kernel held the last of them, or up to a second later. */
  at: number;
  /** What the agent had taken of the processor by then, seconds. */
  agentCpuSeconds: number;
}

/** Looks once a second: each look starts processes, which on an emulated processor takes from the agent what it looks for. */
async function whenLoaded(node: TestNode, profiles: readonly string[]): Promise<Loaded> {
  const wanted = profiles.map((name) => `-e '${name} (enforce)'`).join(' ');
  const script = `
    until [ "$(grep -cx ${wanted} /sys/kernel/security/apparmor/profiles)" = ${profiles.length} ]; do sleep 1; done
    date +%s%3N
    cat "$(grep -lz '^/app/agent.mjs$' /proc/[0-9]*/cmdline | xargs dirname)/stat"`;
  const { stdout, stderr, code } = await node.run(script, { timeoutSeconds: 900 });
  expect(code, `all are loaded within three minutes: ${stderr}`).to.equal(0);
  const [at, stat = ''] = stdout.split('\n');
  // Fields 14 to 17 of proc(5), counted behind the command's name: its own and its children's, in hundredths of a second.
  const times = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15);
  return { at: Number(at), agentCpuSeconds: times.reduce((sum, ticks) => sum + Number(ticks), 0) / 100 };
}

/** By the clock of the agent's node: when its log said so first. */
async function saidAt({ name }: AgentPod, messages: readonly string[]): Promise<{ what: string; at: number }[]> {
  const lines = (await kubectl(['logs', '-n', NAMESPACE, name])).split('\n').filter((line) => line.startsWith('{'));
  const said = lines.map((line) => JSON.parse(line) as { message: string; time: string });
  return messages.map((what) => ({
    what,
    at: Date.parse(said.find(({ message }) => message === what)?.time ?? ''),
  }));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function loadedOn(name: string, nodes: number): Promise<AppArmorProfile> {
  return profileWhen(name, `loaded on ${nodes} nodes`, ({ status }) => status?.nodesLoaded === `${nodes}/${nodes}`);
}

/** Waits until the object's Ready says that nodes are not counted, and why. */
async function leftOut(name: string, why: string): Promise<AppArmorProfile> {
  return profileWhen(name, `not counted: ${why}`, (object) => {
    return conditionOf(object, 'Ready')?.message.includes(`not counted: ${why}`) === true;
  });
}

function policy(name: string): string {
  return `profile ${name} flags=(attach_disconnected) {\n  file,\n  signal,\n  deny /tmp/** w,\n}\n`;
}
