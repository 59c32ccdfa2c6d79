import { expect } from 'chai';
import type { TestNode } from '../testbed/node.ts';
import { operatorReady } from '../testbed/operator.ts';
import { cluster, twoNodes } from './fixture.ts';
import { allUnderEnded, enterProfile, labelsUnder, type HostProcess } from './host-process.ts';
import { kernelEntry } from './kernel-entry.ts';
import {
  applyProfiles,
  confinementOf,
  inNode,
  kernelProfiles,
  kubectl,
  profileReady,
  profilesReady,
  runPods,
} from './operator.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';
import { policy } from './policy.ts';
import { REMOVED_WITHIN_MS, removedWithin, saysOf } from './report-rows.ts';

const LABEL = 'unload-pool';
/** What an object still means elsewhere, or might mean again, stays so long. */
const SETTLES_MS = 60_000;

describe('unloading what nobody wants', () => {
  let entered: HostProcess;
  let enteredChild: HostProcess;
  let stopped: StoppedKubelet | undefined;
  let narrowedAt: number;

  before(async () => {
    const [first, second] = twoNodes();
    await kubectl(['label', 'node', first.name, `${LABEL}=blue`]);
    const names = ['entered', 'stopped', 'unused', 'narrowed', 'narrowed-unused'].map((name) => `unload-${name}`);
    await applyProfiles({
      ...Object.fromEntries(names.map((name) => [name, { policy: policy(name) }])),
      'unload-parent': {
        policy: policy('unload-parent', `  profile child {\n    file,\n    signal (receive),\n  }\n`),
      },
      'unload-labelled': { policy: policy('unload-labelled'), nodeSelector: { [LABEL]: 'blue' } },
    });
    await profilesReady([...names, 'unload-parent', 'unload-labelled']);
    [entered, enteredChild] = await Promise.all([
      enterProfile(first, 'unload-entered'),
      enterProfile(first, 'unload-parent//child'),
      runPods([
        { name: 'unload-stopped', node: second, profile: 'unload-stopped' },
        { name: 'unload-narrowed', node: first, profile: 'unload-narrowed' },
      ]),
    ]);
  });

  after(async () => {
    await stopped?.start();
    await kubectl(['label', 'node', twoNodes()[0].name, `${LABEL}-`]);
  });

  it('keeps what a force-deleted pod runs under while its kubelet is stopped, though no pod names it and it is granted', async () => {
    const [, second] = twoNodes();
    await deleteProfiles('unload-stopped', 'unload-unused');
    await saysOf(second, 'unload-stopped', (said) => !said.isGranted && said.row?.reason === 'InUse');
    stopped = await stopKubelet(second);
    await kubectl(['delete', 'pod', '-n', POD_NAMESPACE, 'unload-stopped', '--force', '--grace-period=0']);

    // Granted, since the node is taken for Ready until its kubelet has been silent for longer.
    const { row } = await saysOf(second, 'unload-stopped', (said) => said.isGranted && said.row?.reason === 'InUse');
    expect(row?.message).to.match(/\b1 process\b/);
    expect(await labelsUnder(second, 'unload-stopped')).to.deep.equal(['unload-stopped (enforce)']);
    expect((await kernelProfiles(second)).get('unload-stopped')).to.equal('enforce');
  });

  it('narrowed by its nodeSelector: stays where a pod runs under it, and for a minute where nothing does', async () => {
    const [first, second] = twoNodes();
    const nodeSelector = { 'kubernetes.io/hostname': second.name };
    narrowedAt = performance.now();
    await applyProfiles({
      'unload-narrowed': { policy: policy('unload-narrowed'), nodeSelector },
      'unload-narrowed-unused': { policy: policy('unload-narrowed-unused'), nodeSelector },
    });
    await saysOf(first, 'unload-narrowed', ({ row }) => row?.reason === 'InUse');
    await saysOf(first, 'unload-narrowed-unused', (said) => said.isGranted && said.row?.reason === 'NoLongerWanted');
    expect((await kernelProfiles(first)).get('unload-narrowed-unused')).to.equal('enforce');
    expect(await confinementOf('unload-narrowed')).to.equal('unload-narrowed (enforce)');
  });

  it('a label that comes back within a minute: taken up again, without a change of the kernel', async () => {
    const [first] = twoNodes();
    const entry = await kernelEntry(first, 'unload-labelled');
    await kubectl(['label', 'node', first.name, `${LABEL}-`]);
    await saysOf(first, 'unload-labelled', (said) => said.isGranted && said.row?.state === 'Retained');
    await kubectl(['label', 'node', first.name, `${LABEL}=blue`]);
    await saysOf(first, 'unload-labelled', (said) => said.isLoaded && said.row === undefined);
    expect(await kernelEntry(first, 'unload-labelled')).to.equal(entry);
  });

  it('keeps what a process that belongs to no pod entered by itself, and a parent for its child', async () => {
    const [first] = twoNodes();
    await deleteProfiles('unload-entered', 'unload-parent');
    for (const profile of ['unload-entered', 'unload-parent']) {
      const { row } = await saysOf(first, profile, (said) => said.isGranted && said.row?.reason === 'InUse');
      expect(row?.message).to.match(/\b1 process\b/);
    }
    const held = await kernelProfiles(first);
    for (const name of ['unload-entered', 'unload-parent', 'unload-parent//child']) {
      expect(held.get(name), name).to.equal('enforce');
    }
    expect(await entered.label()).to.equal('unload-entered (enforce)');
    expect(await enteredChild.label()).to.equal('unload-parent//child (enforce)');
  });

  it('control: what was deleted no earlier and nothing runs under is gone', async () => {
    await removedWithin(REMOVED_WITHIN_MS, twoNodes()[0], ['unload-unused', 'unload-stopped']);
  });

  it('removes both within 30 s of the end of those processes', async () => {
    const [first] = twoNodes();
    await Promise.all([entered.end(), enteredChild.end()]);
    await removedWithin(REMOVED_WITHIN_MS, first, ['unload-entered', 'unload-parent', 'unload-parent//child']);
  });

  it('widened again: taken up without a change of the kernel, the pod confined throughout', async () => {
    const [first] = twoNodes();
    const entry = await kernelEntry(first, 'unload-narrowed');
    await applyProfiles({ 'unload-narrowed': { policy: policy('unload-narrowed') } });
    await saysOf(first, 'unload-narrowed', (said) => said.isLoaded && said.row === undefined);
    await profileReady('unload-narrowed');
    expect(await kernelEntry(first, 'unload-narrowed')).to.equal(entry);
    expect(await confinementOf('unload-narrowed')).to.equal('unload-narrowed (enforce)');
  });

  it('narrowed by its nodeSelector: gone a minute later where nothing ran under it, and there only', async () => {
    const [first, second] = twoNodes();
    await removedWithin(SETTLES_MS + REMOVED_WITHIN_MS, first, ['unload-narrowed-unused']);
    expect(performance.now() - narrowedAt).to.be.greaterThan(SETTLES_MS);
    expect((await kernelProfiles(second)).get('unload-narrowed-unused')).to.equal('enforce');
  });

  it('kubelet still stopped: nothing is granted on the node, which is not Ready by now; kubelet back: the process ends, and the profile goes', async () => {
    const [, second] = twoNodes();
    const notReady = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}=Unknown';
    await kubectl(['wait', `node/${second.name}`, `--for=${notReady}`, '--timeout=120s']);
    await saysOf(second, 'unload-stopped', (said) => !said.isGranted && said.row?.reason === 'InUse');
    expect(await labelsUnder(second, 'unload-stopped')).to.deep.equal(['unload-stopped (enforce)']);
    expect((await kernelProfiles(second)).get('unload-stopped')).to.equal('enforce');

    await stopped?.start();
    stopped = undefined;
    await kubectl(['wait', `node/${second.name}`, '--for=condition=Ready', '--timeout=180s']);
    await allUnderEnded(second, 'unload-stopped');
    await operatorReady(cluster());
    await removedWithin(REMOVED_WITHIN_MS, second, ['unload-stopped']);
  });
});

async function deleteProfiles(...names: string[]): Promise<void> {
  await kubectl(['delete', 'apparmorprofiles', ...names, '--timeout=30s']);
}

interface StoppedKubelet {
  /** Starts it as it was. */
  start(): Promise<void>;
}

async function stopKubelet(node: TestNode): Promise<StoppedKubelet> {
  const file = '/run/stopped-kubelet';
  await inNode(
    node,
    `pid=$(pgrep -f '^/opt/kubernetes/kubernetes kubelet ') && cat /proc/$pid/cmdline >${file} && kill $pid && while [ -e /proc/$pid ]; do sleep 0.1; done`,
  );
  return {
    async start() {
      await inNode(node, `xargs -0 -a ${file} setsid >>/var/log/kubelet.log 2>&1 </dev/null &`);
    },
  };
}
