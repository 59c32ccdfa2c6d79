import { expect } from 'chai';
import { patchFor } from '../../../src/admission/pods/patch.ts';
import { placementPatch } from '../../../src/admission/pods/node-affinity.ts';
import { readPod } from '../../../src/admission/pods/pod-subject.ts';
import { decide, type PodRule } from '../../../src/admission/pods/rule.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { collectionPath, NODES, PODS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { AFFINITY_CASES, AFFINITY_RULES, affinityPod } from '../../unit/admission/pods/affinity-table.ts';
import { applyPatch } from '../../unit/admission/pods/json-patch.ts';
import { administrator, kubectl, type Caller } from '../api/installation.ts';
import { agentSays, notReadySince, READY } from '../controller/pods.ts';
import { applyProfile, BOOT_ID, report, rowWhen, uniqueName } from '../controller/operator.ts';
import { policy, withController } from '../controller/running.ts';
import { controlPlane } from '../fixture.ts';

const KEY = 'apparmor-operator.dev/enforcing';
const TEAM = 'node-affinity-team';

describe('a cluster in which some nodes do not enforce', function () {
  this.timeout(120_000);
  const running = withController();
  const [able, unable] = [uniqueName('affinity-able'), uniqueName('affinity-unable')];
  const [namespace, untouched] = [uniqueName('affinity'), uniqueName('affinity-untouched')];
  let admin: Caller;

  before('two nodes that enforce', async () => {
    admin = administrator();
    const client = running.client();
    for (const node of [able, unable]) {
      await running.operator().createNode(node, { 'affinity-test': node });
      const allocatable = { cpu: '4', memory: '4Gi', pods: '100' };
      await client.mergePatch(
        NODES,
        { name: node },
        { status: { allocatable, capacity: allocatable } },
        { subresource: 'status' },
      );
      await rowWhen(client, node);
      await report(client, node, { enforcing: true });
      await labelBecomes(client, node, 'true');
    }
  });

  before('namespaces', async () => {
    for (const name of [namespace, untouched]) {
      await kubectl(['create', 'namespace', name]);
      await waitFor('the ServiceAccount', { deadlineMs: 20_000 }, async () => {
        const { code } = await controlPlane().kubectl(['get', 'sa', 'default', `--namespace=${name}`]);
        return code === 0 ? true : undefined;
      });
    }
    await kubectl(['label', 'namespace', namespace, `${TEAM}=yes`]);
  });

  before('the objects of the table', async () => {
    for (const { object, profile, selector, containers, nodeSelector } of AFFINITY_RULES) {
      const name = running.newName(`affinity-${object.name}`);
      const pods = {
        namespaceSelector: { matchLabels: { [TEAM]: 'yes' } },
        selector,
        ...(containers === undefined ? {} : { containers }),
      };
      await applyProfile(running.client(), name, {
        policy: policy(profile),
        pods,
        ...(nodeSelector === undefined ? {} : { nodeSelector }),
      });
    }
    await waitFor('their rules', { deadlineMs: 30_000 }, async () => {
      for (const app of ['plain', 'pool', 'both'] as const) {
        const pod = affinityPod({ what: '', spec: {}, mixed: false, app, affinity: undefined });
        if (!JSON.stringify(await stored(pod, namespace)).includes('"aa-')) return undefined;
      }
      return true;
    });
  });

  after('delete the namespaces', async () => {
    await kubectl(['delete', 'namespace', namespace, untouched, '--wait=false']);
    await admin.close();
  });

  for (const mixed of [false, true]) {
    describe(mixed ? 'one node does not' : 'every node does', () => {
      before(async () => {
        await report(running.client(), unable, { enforcing: !mixed });
        await labelBecomes(running.client(), unable, String(!mixed));
        await waitFor('the replica to know', { deadlineMs: 10_000 }, async () => {
          const pod = affinityPod({ what: '', spec: {}, mixed, affinity: undefined });
          return JSON.stringify(await stored(pod, namespace)).includes(KEY) === mixed ? true : undefined;
        });
      });

      for (const each of AFFINITY_CASES.filter((one) => one.mixed === mixed)) {
        it(`${each.what}: as the pure rule, and nothing else`, async () => {
          const pod = affinityPod(each);
          const made = await stored(pod, namespace);
          expect(made).to.deep.equal(await stored(decided(pod, mixed), untouched));
          expect(made.spec.affinity).to.deep.equal(each.affinity);
        });
      }
    });
  }

  it('lets the scheduler put a confined pod where it can run, and nowhere else', async () => {
    const client = running.client();
    await report(client, unable, { enforcing: false });
    await labelBecomes(client, unable, 'false');
    const made = async (name: string, app: string, node?: string): Promise<void> => {
      const selector = node === undefined ? {} : { nodeSelector: { 'affinity-test': node } };
      const spec = { ...selector, containers: [{ name: 'one', image: 'x' }], terminationGracePeriodSeconds: 0 };
      await client.create(PODS, { metadata: { name, namespace, labels: { app } }, spec } as never);
    };
    for (let index = 0; index < 5; index++) await made(`free-${index}`, 'plain');
    await made('kept-off', 'plain', unable);
    await made('control', 'unmatched', unable);
    for (const name of ['free-0', 'free-1', 'free-2', 'free-3', 'free-4']) {
      expect(await nodeOf(client, namespace, name)).to.equal(able);
    }
    expect(await nodeOf(client, namespace, 'control')).to.equal(unable);
    const message = await waitFor('the scheduler’s word', { deadlineMs: 20_000 }, async () => {
      const { status } = await client.get<ScheduledPod>(PODS, { namespace, name: 'kept-off' });
      return status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
    });
    expect(message).to.match(/didn't match Pod's node affinity\/selector/);
    await report(client, unable, { enforcing: true });
    await labelBecomes(client, unable, 'true');
    expect(await nodeOf(client, namespace, 'kept-off')).to.equal(unable);
  });

  it('keeps the label when the agent is gone and after a reboot, and puts it right', async () => {
    const client = running.client();
    await report(client, able, { enforcing: true });
    await labelBecomes(client, able, 'true');
    await agentSays(client, able, READY);
    await agentSays(client, able, notReadySince(new Date(Date.now() - 6 * 60_000)));
    // Somebody's edit; it also shows that the node has been looked at since.
    await kubectl(['label', 'node', able, `${KEY}=false`, '--overwrite']);
    await labelBecomes(client, able, 'true');
    const nodeInfo = { bootID: BOOT_ID.replace('3', '4') };
    await client.mergePatch(NODES, { name: able }, { status: { nodeInfo } }, { subresource: 'status' });
    await kubectl(['label', 'node', able, 'affinity-other=1']);
    await kubectl(['label', 'node', able, `${KEY}-`]);
    // What it said before the reboot does not count, so nothing is written until it reports.
    await report(client, unable, { enforcing: false });
    await labelBecomes(client, unable, 'false');
    expect(await labelOf(client, able)).to.equal(undefined);
    await report(client, able, { bootID: nodeInfo.bootID, enforcing: true });
    await labelBecomes(client, able, 'true');
  });

  /** The pod with what the pure functions say. */
  function decided(pod: ReturnType<typeof affinityPod>, mixed: boolean): object {
    const rules: PodRule[] = AFFINITY_RULES;
    const subject = readPod(pod);
    const decision = decide(subject, { name: namespace, labels: {} }, rules, 'own');
    const patch = [...patchFor(subject, decision, rules), ...placementPatch(pod, subject, decision, mixed)];
    return applyPatch(pod, patch);
  }

  /** As the API server would store it, without what is different at every creation or between the namespaces. */
  async function stored(pod: object, where: string): Promise<{ annotations: object; spec: { affinity?: unknown } }> {
    const path = collectionPath(PODS, where);
    const answer = await admin.ask({ method: 'POST', path, query: { dryRun: 'All' }, body: pod });
    const text = JSON.stringify(answer).replaceAll(/kube-api-access-\w{5}/g, 'kube-api-access');
    const { metadata, spec } = JSON.parse(text) as {
      metadata: { annotations?: Record<string, string> };
      spec: { affinity?: unknown };
    };
    const { 'apparmor-operator.dev/confined-by': _, ...annotations } = metadata.annotations ?? {};
    return { annotations, spec };
  }
});

interface ScheduledPod {
  spec: { nodeName?: string };
  status?: { conditions?: { type: string; message?: string }[] };
}

async function nodeOf(client: KubeClient, namespace: string, name: string): Promise<string> {
  return waitFor(`${name} to be scheduled`, { deadlineMs: 30_000 }, async () => {
    const { spec } = await client.get<ScheduledPod>(PODS, { namespace, name });
    return spec.nodeName;
  });
}

async function labelOf(client: KubeClient, name: string): Promise<string | undefined> {
  const { metadata } = await client.get<{ metadata: { labels?: Record<string, string> } }>(NODES, { name });
  return metadata.labels?.[KEY];
}

async function labelBecomes(client: KubeClient, name: string, value: string): Promise<void> {
  await waitFor(`${name} to be labelled ${value}`, { deadlineMs: 15_000 }, async () =>
    (await labelOf(client, name)) === value ? true : undefined,
  );
}
