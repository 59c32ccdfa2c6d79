import { expect } from 'chai';
import { AGENT_GRACE_MS, agentState, createAgentPresence } from '../../../../src/controller/nodes/agent-presence.ts';
import { sameAgentPod, viewAgentPod, type AgentPod } from '../../../../src/controller/nodes/agent-pod.ts';
import { sameNode, viewNode } from '../../../../src/controller/nodes/node-view.ts';
import { planRow } from '../../../../src/controller/nodes/plan-row.ts';
import { changedNames, createRowViewer } from '../../../../src/controller/nodes/row-view.ts';
import { nodeView, rowView } from '../objects.ts';

function meta(more: object = {}) {
  return { name: 'a', uid: 'uid-a', resourceVersion: '1', creationTimestamp: '2030-01-01T00:00:00Z', ...more };
}

describe('viewNode', () => {
  it('keeps what is decided from a Node', () => {
    const node = viewNode({
      metadata: meta({ labels: { 'kubernetes.io/os': 'linux' } }),
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { bootID: 'boot' } },
    });
    expect(node).to.deep.equal({
      name: 'a',
      uid: 'uid-a',
      createdAt: Date.UTC(2030, 0, 1),
      labels: { 'kubernetes.io/os': 'linux' },
      bootID: 'boot',
      ready: true,
      virtual: false,
      crio: false,
    });
  });

  for (const [containerRuntimeVersion, crio] of [
    ['cri-o://1.31.0', true],
    ['containerd://2.1.0', false],
  ] as const) {
    it(`${containerRuntimeVersion} is ${crio ? '' : 'not '}CRI-O`, () => {
      const nodeInfo = { bootID: 'boot', containerRuntimeVersion };
      expect(viewNode({ metadata: meta(), status: { nodeInfo } })?.crio).to.equal(crio);
    });
  }

  for (const [title, metadata, status, expected] of [
    ['windows by label', { labels: { 'kubernetes.io/os': 'windows' } }, {}, undefined],
    ['windows by its kubelet', {}, { nodeInfo: { operatingSystem: 'windows' } }, undefined],
    ['nothing known yet', {}, undefined, { ready: false, virtual: false, bootID: '' }],
    ['NotReady', {}, { conditions: [{ type: 'Ready', status: 'False' }] }, { ready: false }],
    ['Unknown', {}, { conditions: [{ type: 'Ready', status: 'Unknown' }] }, { ready: false }],
    ['virtual kubelet', { labels: { type: 'virtual-kubelet' } }, {}, { virtual: true }],
    ['Fargate', { labels: { 'eks.amazonaws.com/compute-type': 'fargate' } }, {}, { virtual: true }],
  ] as const) {
    it(title, () => {
      const node = viewNode({ metadata: meta(metadata), ...(status === undefined ? {} : { status }) } as never);
      if (expected === undefined) expect(node).to.equal(undefined);
      else expect(node).to.include(expected);
    });
  }
});

describe('sameNode', () => {
  for (const [change, same] of [
    [{}, true],
    [{ createdAt: 5 }, true],
    [{ uid: 'x' }, false],
    [{ bootID: 'x' }, false],
    [{ ready: false }, false],
    [{ virtual: true }, false],
    [{ crio: true }, false],
    [{ labels: { b: '1' } }, false],
    [{ labels: { a: '2' } }, false],
    [{ labels: { a: '1', b: '1' } }, false],
  ] as const) {
    it(JSON.stringify(change), () => {
      const node = nodeView({ labels: { a: '1' } });
      expect(sameNode(node, { ...node, ...change })).to.equal(same);
    });
  }
});

describe('planRow', () => {
  const node = nodeView();
  for (const [title, forNode, row, kind] of [
    ['a node without a row gets one', node, undefined, 'create'],
    ['its own row is kept', node, rowView(), 'keep'],
    ['a virtual node gets none', nodeView({ virtual: true }), undefined, 'keep'],
    ['no node, no row', undefined, undefined, 'keep'],
    ['the garbage collector removes the row of a gone node', undefined, rowView(), 'keep'],
    ['also that of an earlier node of the name', nodeView({ uid: 'new' }), rowView(), 'keep'],
    ['a row without an owner gets it', node, rowView({ owners: [] }), 'own'],
    ['unless it is being deleted', node, rowView({ owners: [], deleting: true }), 'keep'],
    ['a row whose fields are tracked in vain', node, rowView({ trackedAt: '7' }), 'untrack'],
    ['an owner comes first', node, rowView({ owners: [], trackedAt: '7' }), 'own'],
    ['a tracked row that is being deleted', node, rowView({ deleting: true, trackedAt: '7' }), 'keep'],
    ['a tracked row whose node is gone', undefined, rowView({ trackedAt: '7' }), 'keep'],
  ] as const) {
    it(title, () => expect(planRow(forNode, row).kind).to.equal(kind));
  }
});

describe('createRowViewer', () => {
  const viewRow = createRowViewer();

  it('is complete for a row that no agent has written', () => {
    expect(viewRow({ metadata: meta() })).to.deep.equal({
      name: 'a',
      uid: 'uid-a',
      deleting: false,
      owners: [],
      trackedAt: undefined,
      bootID: '',
      enforcing: undefined,
      reason: '',
      message: '',
      loaded: {},
      loadedSince: {},
      problems: [],
      drift: [],
      unload: [],
    });
  });

  it('keeps what was granted and what was put right', () => {
    const unload = [{ profile: 'p', revision: 'r', expires: '2030-01-01T00:00:00Z' }];
    const drift = [{ profile: 'p', object: 'web', what: 'Replaced', time: '2030-01-01T00:00:00Z' } as const];
    expect(viewRow({ metadata: meta(), spec: { unload }, status: { drift } })).to.deep.include({ unload, drift });
  });

  for (const [title, operations, trackedAt] of [
    ['tracked by what created and patched it', ['Update', 'Update'], '1'],
    ['tracked for whoever applied it', ['Update', 'Apply'], undefined],
    ['no longer tracked', [], undefined],
  ] as const) {
    it(title, () => {
      const managedFields = operations.map((operation) => ({ manager: 'node', operation }));
      expect(viewRow({ metadata: meta({ managedFields }) }).trackedAt).to.equal(trackedAt);
    });
  }

  it('keeps once what nodes hold that hold the same', () => {
    const [one, two, other] = [
      { p: '1', q: '2' },
      { p: '1', q: '2' },
      { p: '1', q: '3' },
    ].map((loaded) => viewRow({ metadata: meta(), status: { loaded } }).loaded);
    expect(two).to.equal(one);
    expect(other).to.deep.equal({ p: '1', q: '3' });
  });
});

describe('changedNames', () => {
  const problem = { object: 'web', profile: 'p', revision: 'r', state: 'Failed', reason: 'x', message: 'm' } as const;
  for (const [title, now, before, expected] of [
    ['a new row', rowView({ bootID: '', enforcing: undefined }), undefined, []],
    ['a new row in which an agent has written', rowView(), undefined, 'all'],
    ['a row that is gone', undefined, rowView(), 'all'],
    ['another boot', rowView({ bootID: 'x' }), rowView(), 'all'],
    ['no longer enforcing', rowView({ enforcing: false }), rowView(), 'all'],
    ['for another reason', rowView({ reason: 'x' }), rowView(), 'all'],
    ['nothing that counts', rowView({ message: 'x' }), rowView(), []],
    ['loaded', rowView({ loaded: { p: '1', q: '1' } }), rowView({ loaded: { q: '1' } }), ['p']],
    ['another revision', rowView({ loaded: { p: '2' } }), rowView({ loaded: { p: '1' } }), ['p']],
    ['unloaded', rowView(), rowView({ loaded: { p: '1' } }), ['p']],
    ['put back', rowView({ loadedSince: { p: 't' } }), rowView(), ['p']],
    [
      'put back again',
      rowView({ loadedSince: { p: 'u', q: 't' } }),
      rowView({ loadedSince: { p: 't', q: 't' } }),
      ['p'],
    ],
    ['put back and since forgotten', rowView(), rowView({ loadedSince: { p: 't' } }), []],
    ['a problem', rowView({ problems: [problem] }), rowView(), ['web']],
    ['a problem that is solved', rowView(), rowView({ problems: [problem] }), ['web']],
    ['a problem that stays', rowView({ problems: [problem] }), rowView({ problems: [{ ...problem }] }), []],
    ['in another line', rowView({ problems: [{ ...problem, line: 2 }] }), rowView({ problems: [problem] }), ['web']],
  ] as const) {
    it(title, () => {
      const changed = changedNames(now, before);
      expect(changed === 'all' ? 'all' : [...changed]).to.deep.equal(expected);
    });
  }
});

const pod = (status: AgentPod['status'], metadata = {}): AgentPod => ({
  metadata: meta(metadata),
  spec: { nodeName: 'a' },
  ...(status === undefined ? {} : { status }),
});

const waits = (reason: string, message: string) =>
  viewAgentPod(pod({ containerStatuses: [{ state: { waiting: { reason, message } } }] }));

describe('viewAgentPod', () => {
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2030-01-01T00:05:00Z' };

  for (const [title, given, expected] of [
    ['Ready', pod({ conditions: [ready] }), { ready: true }],
    ['Ready but ending', pod({ conditions: [ready] }, { deletionTimestamp: 'x' }), { ready: false }],
    [
      'no longer Ready',
      pod({ conditions: [{ ...ready, status: 'False' }] }),
      { ready: false, notReadySince: Date.UTC(2030, 0, 1, 0, 5) },
    ],
    ['just created', pod(undefined), { ready: false, notReadySince: Date.UTC(2030, 0, 1) }],
  ] as const) {
    it(title, () => expect(viewAgentPod(given)).to.include({ nodeName: 'a', ...expected }));
  }

  it('without a node it says nothing', () => {
    expect(viewAgentPod({ metadata: meta() })).to.equal(undefined);
  });

  for (const [message, missing] of [
    ['failed to generate spec: failed to mkdir "/sys/kernel/security": operation not permitted', true],
    ['Back-off pulling image', false],
    ['mkdir /sys/kernel/securityfoo', false],
  ] as const) {
    it(`waiting: ${message}`, () => {
      const view = viewAgentPod(
        pod({ containerStatuses: [{ state: { waiting: { reason: 'CreateContainerError', message } } }, {}] }),
      );
      expect(view?.securityfsMissing).to.equal(missing ? message : undefined);
    });
  }

  it('sameAgentPod ignores when it stopped being ready', () => {
    const view = { nodeName: 'a', ready: true, notReadySince: 1, backsOff: false };
    expect(sameAgentPod(view, { ...view, notReadySince: 2 })).to.equal(true);
    expect(sameAgentPod(view, { ...view, ready: false })).to.equal(false);
    expect(sameAgentPod(view, { ...view, backsOff: true })).to.equal(false);
  });
});

describe('agentState', () => {
  const minute = 60_000;
  const now = 100 * minute;
  const pod = (minutesAgo: number, more = {}) => ({
    nodeName: 'a',
    ready: false,
    notReadySince: now - minutesAgo * minute,
    backsOff: false,
    ...more,
  });
  const base = { pods: [], node: { createdAt: 0 }, missingSince: undefined, watchingSince: 0, now };
  for (const [title, change, expected] of [
    ['one Ready pod is enough', { pods: [pod(60), pod(0, { ready: true })] }, { kind: 'ready' }],
    ['not Ready for two minutes', { pods: [pod(2)] }, { kind: 'grace', endsInMs: 3 * minute }],
    ['not Ready for five', { pods: [pod(5)] }, { kind: 'gone' }],
    ['a new pod does not restart the time', { pods: [pod(0)], missingSince: now - 5 * minute }, { kind: 'gone' }],
    [
      'nor does an old pod end it',
      { pods: [pod(60)], missingSince: now - minute },
      { kind: 'grace', endsInMs: 4 * minute },
    ],
    ['no pod on an old node', {}, { kind: 'gone' }],
    ['no pod on a new node', { node: { createdAt: now - minute } }, { kind: 'grace', endsInMs: 4 * minute }],
    ['no pod, but we have just begun to look', { watchingSince: now }, { kind: 'grace', endsInMs: AGENT_GRACE_MS }],
    [
      'no securityfs',
      { pods: [pod(0, { securityfsMissing: 'mkdir' })] },
      { kind: 'securityfsMissing', message: 'mkdir' },
    ],
  ] as const) {
    it(title, () => expect(agentState({ ...base, ...change })).to.deep.equal(expected));
  }
});

describe('createAgentPresence', () => {
  it('counts from when the last Ready pod went', () => {
    let now = 1_000_000;
    const presence = createAgentPresence(() => now);
    const node = nodeView();
    const ready = { nodeName: 'a', ready: true, notReadySince: 0, backsOff: false };
    const notReady = { ...ready, ready: false };
    expect(presence.of(node)).to.deep.equal({ kind: 'grace', endsInMs: AGENT_GRACE_MS });
    presence.podChanged('ns/p1', ready, undefined);
    presence.podChanged('ns/p2', notReady, undefined);
    expect(presence.of(node).kind).to.equal('ready');
    now += AGENT_GRACE_MS;
    presence.podChanged('ns/p1', undefined, ready);
    expect(presence.of(node)).to.deep.equal({ kind: 'grace', endsInMs: AGENT_GRACE_MS });
    presence.podChanged('ns/p2', undefined, notReady);
    now += AGENT_GRACE_MS;
    expect(presence.of(node).kind).to.equal('gone');
    presence.podChanged('ns/p3', ready, undefined);
    expect(presence.of(node).kind).to.equal('ready');
    presence.podChanged('ns/p3', notReady, ready);
    now += AGENT_GRACE_MS;
    expect(presence.of(node).kind).to.equal('gone');
    presence.nodeGone('a');
    expect(presence.of(nodeView({ createdAt: now })).kind).to.equal('gone');
    presence.podChanged('ns/none', undefined, undefined);
  });

  it('a node lacks securityfs while the kubelet backs off after it said so, and until the container runs', () => {
    const presence = createAgentPresence(() => 1_000_000);
    const node = nodeView();
    const backOff = waits('CrashLoopBackOff', 'back-off 40s restarting failed container=agent');
    const states = [
      backOff,
      waits('CreateContainerError', 'failed to mkdir "/sys/kernel/security": operation not permitted'),
      backOff,
      backOff,
      waits('CreateContainerError', 'no space left on device'),
      backOff,
    ].map((view) => {
      presence.podChanged('ns/p', view, undefined);
      return presence.of(node).kind;
    });
    const missing = 'securityfsMissing';
    expect(states).to.deep.equal(['grace', missing, missing, missing, 'grace', 'grace']);
  });
});
