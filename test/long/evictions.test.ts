import { expect } from 'chai';
import { join } from 'node:path';
import { workloadImage } from '../testbed/workload-image.ts';
import { twoNodes } from '../node/fixture.ts';
import { applyProfile, conditionOf, confinementOf, kubectl, profileWhen, runPod } from '../node/operator.ts';
import { POD_NAMESPACE } from '../node/pod-namespace.ts';

const NAME = 'evicted';
const BARE = 'evicted-bare';
const LABELS = { 'evicted-test': 'yes' };
/** The optional right to evict, which manifests/default leaves out. */
const RIGHT = join(import.meta.dirname, '../../manifests/evict');

describe('restart: Evict, on real nodes', function () {
  this.timeout(600_000);
  let older: readonly string[];

  before('a Deployment of two and a bare pod run before there is a rule', async () => {
    await kubectl(['apply', '-k', RIGHT]);
    await kubectl(['create', '-f', '-'], JSON.stringify(deployment()));
    await runPod({ name: BARE, node: twoNodes()[0], labels: LABELS });
    await kubectl(['rollout', 'status', 'deployment', NAME, '-n', POD_NAMESPACE, '--timeout=180s']);
    older = await pods();
  });

  after(async () => {
    await kubectl(['delete', 'deployments,pods', '-n', POD_NAMESPACE, '-l', 'evicted-test', '--timeout=120s']);
    await kubectl(['delete', '-k', RIGHT]);
  });

  it('replaces the pods of the Deployment by confined ones, and leaves the bare pod alone and told of', async () => {
    for (const pod of older) expect(await confinementOf(pod), pod).not.to.contain(NAME);
    await applyProfile(NAME, {
      policy: `profile ${NAME} flags=(attach_disconnected) {\n  file,\n  signal,\n  deny /tmp/** w,\n}\n`,
      pods: { selector: { matchLabels: LABELS }, restart: 'Evict' },
    });
    const profile = await profileWhen(NAME, 'two of three confined', ({ status }) => status?.podsConfined === '2/3');
    expect(conditionOf(profile, 'PodsConfined')).to.include({ status: 'False', reason: 'PodsPendingRestart' });
    expect(conditionOf(profile, 'PodsConfined')?.message).to.contain(BARE);

    // A pod that can only start under the profile counts as confined before it has.
    await kubectl(['rollout', 'status', 'deployment', NAME, '-n', POD_NAMESPACE, '--timeout=180s']);
    const now = await pods();
    const replacements = now.filter((pod) => pod !== BARE);
    expect(now).to.have.length(3).and.include(BARE);
    expect(replacements.filter((pod) => older.includes(pod))).to.deep.equal([]);
    for (const pod of replacements) expect(await confinementOf(pod), pod).to.equal(`${NAME} (enforce)`);
    expect(await confinementOf(BARE)).not.to.contain(NAME);
  });
});

function deployment(): object {
  const spec = {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image: workloadImage, imagePullPolicy: 'Never', command: ['sleep', '100000'] }],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: NAME, namespace: POD_NAMESPACE, labels: LABELS },
    spec: {
      replicas: 2,
      selector: { matchLabels: { ...LABELS } },
      template: { metadata: { labels: LABELS }, spec },
    },
  };
}

/** Names of those that are not on their way out. */
async function pods(): Promise<readonly string[]> {
  const text = await kubectl(['get', 'pods', '-n', POD_NAMESPACE, '-l', 'evicted-test', '-o', 'json']);
  const { items } = JSON.parse(text) as { items: { metadata: { name: string; deletionTimestamp?: string } }[] };
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
}
