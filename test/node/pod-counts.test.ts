import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { twoNodes } from './fixture.ts';
import {
  applyProfile,
  conditionOf,
  confinementOf,
  DEADLINE_MS,
  inNode,
  inPod,
  kubectl,
  profileReady,
  profileWhen,
  runPod,
} from './operator.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';

const NAME = 'counted';
const [OLDER, CONFINED] = ['counted-older', 'counted-confined'] as const;

describe('how pods run, on real nodes', function () {
  this.timeout(600_000);

  before('a pod that is older than the rule, and one that is not', async () => {
    await run(OLDER);
    await applyProfile(NAME, {
      policy: `profile ${NAME} flags=(attach_disconnected) {\n  file,\n  signal,\n  deny /tmp/** w,\n}\n`,
      pods: { selector: { matchLabels: { 'counted-test': 'yes' } } },
    });
    await profileReady(NAME);
    await run(CONFINED);
  });

  after(async () => {
    await kubectl(['delete', 'pods', '-n', POD_NAMESPACE, '-l', 'counted-test', '--timeout=120s']);
  });

  it('counts what the kernel says, and tells the pod that is older', async () => {
    const message = await counted('1/2', 'PodsPendingRestart');
    expect(message).to.contain(`1 NoProfile (${POD_NAMESPACE}/${OLDER}: `);
    expect(await confinementOf(CONFINED)).to.equal(`${NAME} (enforce)`);
    expect(await confinementOf(OLDER)).not.to.contain(NAME);
    expect(await reasonsOf(OLDER)).to.deep.equal(['NoProfile']);
    expect(await reasonsOf(CONFINED)).to.deep.equal([]);
  });

  it('a pod that lost its confinement is told so, and counts as confined again once what lost it has ended', async () => {
    const [node] = twoNodes();
    await inNode(node, `printf ${NAME} > /sys/kernel/security/apparmor/.remove`);
    const message = await counted('0/2', 'ConfinementLost');
    expect(message).to.contain(`1 ConfinementLost (${POD_NAMESPACE}/${CONFINED}: container main runs unconfined`);
    expect(await confinementOf(CONFINED)).to.equal('unconfined');
    await waitFor('the Event', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () =>
      (await reasonsOf(CONFINED)).includes('ConfinementLost'),
    );
    await inPod(CONFINED, ['kill', '1']);
    await counted('1/2', 'PodsPendingRestart');
  });
});

/** Waits for the column Pods and the reason of PodsConfined, and returns its message. */
async function counted(column: string, reason: string): Promise<string> {
  const profile = await profileWhen(
    NAME,
    `${column} ${reason}`,
    (one) => one.status?.podsConfined === column && conditionOf(one, 'PodsConfined')?.reason === reason,
  );
  return conditionOf(profile, 'PodsConfined')?.message ?? '';
}

/** Of the operator's Events on a pod. */
async function reasonsOf(pod: string): Promise<string[]> {
  const about = `regarding.name=${pod},type=Warning,reportingController=apparmor-operator.dev/controller`;
  const query = ['get', 'events.events.k8s.io', '-n', POD_NAMESPACE, `--field-selector=${about}`];
  return (await kubectl([...query, '-o', 'jsonpath={.items[*].reason}'])).split(' ').filter((reason) => reason !== '');
}

/** It ends when it is told to, and the kubelet starts it anew. */
async function run(name: string): Promise<void> {
  const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done'];
  await runPod({ name, node: twoNodes()[0], labels: { 'counted-test': 'yes' }, command });
}
