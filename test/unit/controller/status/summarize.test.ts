import { expect } from 'chai';
import type { AppArmorProfileStatus } from '../../../../src/api/generated/index.ts';
import { nodeHealth, nodeOutcome, type NodeFacts } from '../../../../src/controller/status/node-outcome.ts';
import { summarize, type SummaryInput } from '../../../../src/controller/status/summarize.ts';
import { failedOn, HASH, loadedOn, nodeFacts, profileView, revisionView } from '../objects.ts';

const now = new Date('2030-01-02T00:00:00Z');

function summary(change: Partial<SummaryInput>): AppArmorProfileStatus {
  return summarize({ profile: profileView(), inForce: revisionView(), nodes: [], now, ...change });
}

/** `Ready=False/Progressing Reconciling`, as a reader of conditions sees it. */
function conditionsOf({ conditions = [] }: AppArmorProfileStatus): string {
  return conditions
    .map(({ type, status, reason }) => (type === 'Ready' ? `Ready=${status}/${reason}` : `${type}=${status}`))
    .join(' ');
}

const pending = nodeFacts('p', {});
const conflict = nodeFacts('c', {
  problems: [
    {
      object: 'web',
      profile: 'web',
      revision: HASH,
      state: 'Conflict',
      reason: 'OwnedByObject',
      message: 'owned by old',
    },
  ],
});
const notReady = nodeFacts('n', { loaded: { web: HASH } }, { node: { ready: false } });
const virtual = nodeFacts('v', false, { node: { virtual: true } });
const agentless = nodeFacts('g', { loaded: { web: HASH } }, { agent: { kind: 'gone' } });
const unsupported = nodeFacts('u', { enforcing: false, reason: 'AppArmorDisabled' });

describe('nodeOutcome', () => {
  for (const [title, facts, expected] of [
    ['loaded', loadedOn('a'), { kind: 'loaded' }],
    [
      'during a short absence of the agent',
      { ...loadedOn('a'), agent: { kind: 'grace', endsInMs: 1 } },
      { kind: 'loaded' },
    ],
    ['another revision', loadedOn('a', 'old'), { kind: 'pending' }],
    ['no row', nodeFacts('a', false), { kind: 'pending' }],
    ['a row that no agent has written', nodeFacts('a', { enforcing: undefined, bootID: '' }), { kind: 'pending' }],
    ['restarted since', nodeFacts('a', { bootID: 'earlier', loaded: { web: HASH } }), { kind: 'pending' }],
    ['NotReady', notReady, { kind: 'unreachable', reason: 'NodeNotReady' }],
    ['virtual', virtual, { kind: 'unreachable', reason: 'VirtualNode' }],
    ['without an agent', agentless, { kind: 'unreachable', reason: 'NoAgent' }],
    ['AppArmor is off', unsupported, { kind: 'unsupported', reason: 'AppArmorDisabled' }],
    ['off without a reason', nodeFacts('a', { enforcing: false }), { kind: 'unsupported', reason: 'Unknown' }],
    [
      'its agent cannot start',
      nodeFacts('a', false, { agent: { kind: 'securityfsMissing', message: 'mkdir' } }),
      { kind: 'unsupported', reason: 'SecurityfsMissing' },
    ],
    ['not selected', nodeFacts('a', {}, { node: { labels: { os: 'debian' } } }), undefined],
  ] as const) {
    it(title, () => {
      const revision = revisionView(title === 'not selected' ? { nodeSelector: { os: 'ubuntu' } } : {});
      expect(nodeOutcome(facts, revision)).to.deep.equal(expected);
    });
  }

  it('all profiles must be loaded from the current revision', () => {
    const revision = revisionView({ profiles: ['web', 'worker'] });
    const half = nodeFacts('a', { loaded: { web: HASH, worker: 'old' } });
    const whole = nodeFacts('a', { loaded: { web: HASH, worker: HASH } });
    expect(nodeOutcome(half, revision)?.kind).to.equal('pending');
    expect(nodeOutcome(whole, revision)?.kind).to.equal('loaded');
  });

  for (const [title, problem, expected] of [
    ['of this revision', {}, 'failed'],
    ['of an earlier revision', { revision: 'old' }, 'pending'],
    ['of another object', { object: 'other' }, 'pending'],
    ['retained is not the current revision’s', { state: 'Retained' }, 'pending'],
    ['conflict', { state: 'Conflict' }, 'conflict'],
  ] as const) {
    it(`problem: ${title}`, () => expect(nodeOutcome(failedOn('a', problem), revisionView())?.kind).to.equal(expected));
  }

  it('a failure goes before a conflict', () => {
    const [failed] = failedOn('a').row?.problems ?? [];
    const facts = nodeFacts('a', { problems: [{ ...failed!, state: 'Conflict' }, failed!] });
    expect(nodeOutcome(facts, revisionView())?.kind).to.equal('failed');
  });

  it('nodeHealth of a node that enforces', () =>
    expect(nodeHealth(loadedOn('a'))).to.deep.equal({ kind: 'enforcing' }));
});

const refused = profileView({
  verdict: {
    kind: 'refused',
    more: 0,
    errors: [
      {
        rule: 'reserved-name',
        severity: 'error',
        field: 'policy',
        message: 'docker-default is reserved',
        remedy: 'choose another name',
        position: { line: 3, column: 9 },
      },
    ],
  },
});

const readyBefore = profileView({
  status: {
    revision: HASH,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Loaded',
        message: 'loaded on 1 of 1 node',
        observedGeneration: 2,
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ],
  },
});

describe('summarize: Ready and its reason', () => {
  for (const [title, change, expected, nodesLoaded] of [
    ['first sight', { inForce: undefined }, 'Ready=Unknown/Progressing Reconciling=True', '0/0'],
    [
      'first sight, not stored',
      { inForce: undefined, publishProblem: 'forbidden' },
      'Ready=Unknown/PublishFailed Reconciling=True',
      '0/0',
    ],
    [
      'a newer content is not published yet',
      { inForce: revisionView({ hash: 'old' }), nodes: [loadedOn('a', 'old')] },
      'Ready=False/Progressing Reconciling=True',
      '1/1',
    ],
    [
      'loaded, its pod rule in force',
      { nodes: [loadedOn('a')], podRule: { kind: 'in-force' } },
      'Ready=True/Loaded',
      '1/1',
    ],
    [
      'loaded, its pod rule not in force',
      { nodes: [loadedOn('a')], podRule: { kind: 'not-yet', message: 'connection refused' } },
      'Ready=False/PodRuleNotInForce Reconciling=True',
      '1/1',
    ],
    [
      'loaded, its pod rule not tried yet',
      { nodes: [loadedOn('a')], podRule: { kind: 'unproved' } },
      'Ready=False/Progressing Reconciling=True',
      '1/1',
    ],
    [
      'Ready under the leader before, its pod rule not tried again yet',
      { nodes: [loadedOn('a')], podRule: { kind: 'unproved' }, profile: readyBefore },
      'Ready=True/Loaded',
      '1/1',
    ],
    [
      'failed on a node, whatever its pod rule',
      { nodes: [failedOn('a')], podRule: { kind: 'not-yet', message: 'x' } },
      'Ready=False/NodesFailed Stalled=True',
      '0/1',
    ],
    [
      'nor can be',
      { inForce: revisionView({ hash: 'old' }), publishProblem: 'x' },
      'Ready=False/PublishFailed Reconciling=True',
      '0/0',
    ],
    [
      'refused, nothing published',
      { profile: refused, inForce: undefined },
      'Ready=False/PolicyRefused Stalled=True',
      '0/0',
    ],
    [
      'refused, the last one in force everywhere',
      { profile: refused, nodes: [loadedOn('a')] },
      'Ready=False/PolicyRefused Stalled=True',
      '1/1',
    ],
    ['no node', { nodes: [] }, 'Ready=False/NoMatchingNode', '0/0'],
    [
      'no node matches',
      { inForce: revisionView({ nodeSelector: { a: 'b' } }), nodes: [loadedOn('a')] },
      'Ready=False/NoMatchingNode',
      '0/0',
    ],
    ['none that can', { nodes: [notReady, virtual, agentless, unsupported] }, 'Ready=False/NoEnforcingNode', '0/0'],
    ['half way', { nodes: [loadedOn('a'), pending] }, 'Ready=False/Progressing Reconciling=True', '1/2'],
    ['everywhere', { nodes: [loadedOn('a'), loadedOn('b')] }, 'Ready=True/Loaded', '2/2'],
    [
      'everywhere it can',
      { nodes: [loadedOn('a'), notReady, virtual, agentless, unsupported] },
      'Ready=True/Loaded',
      '1/1',
    ],
    [
      'in complain mode',
      { inForce: revisionView({ mode: 'Complain' }), nodes: [loadedOn('a')] },
      'Ready=True/LoadedNotEnforcing',
      '1/1',
    ],
    [
      'kill mode confines',
      { inForce: revisionView({ mode: 'Kill' }), nodes: [loadedOn('a')] },
      'Ready=True/Loaded',
      '1/1',
    ],
    [
      'one compile failed',
      { nodes: [loadedOn('a'), pending, failedOn('b')] },
      'Ready=False/NodesFailed Stalled=True',
      '1/3',
    ],
    [
      'one that is tried again',
      { nodes: [loadedOn('a'), failedOn('b', { reason: 'KernelRefused' })] },
      'Ready=False/NodesFailed Reconciling=True',
      '1/2',
    ],
    ['a name is taken', { nodes: [loadedOn('a'), conflict] }, 'Ready=False/Conflict Stalled=True', '1/2'],
    ['failed and taken', { nodes: [conflict, failedOn('b')] }, 'Ready=False/NodesFailed Stalled=True', '0/2'],
  ] as const) {
    it(title, () => {
      const result = summary(change);
      expect(conditionsOf(result)).to.equal(expected);
      expect(result.nodesLoaded).to.equal(nodesLoaded);
      expect(result.observedGeneration).to.equal(2);
      for (const { observedGeneration } of result.conditions ?? []) expect(observedGeneration).to.equal(2);
    });
  }

  it('a refusal says the line, the rule and the remedy, and what stays in force', () => {
    const result = summary({ profile: refused, nodes: [loadedOn('a')] });
    expect(result.conditions?.[0]?.message).to.equal(
      `line 3: docker-default is reserved (rule reserved-name); choose another name. revision ${HASH} stays in force`,
    );
    expect(result.failures).to.have.length(1);
    expect(result).to.deep.include({ revision: HASH, mode: 'Enforce', profiles: ['web'] });
  });

  it('a refusal of a variant names it, and counts the others', () => {
    const [error] = refused.verdict.kind === 'refused' ? refused.verdict.errors : [];
    const { position: _, ...rest } = error!;
    const profile = profileView({
      verdict: {
        kind: 'refused',
        more: 4,
        errors: [{ ...rest, field: 'variants[0].policy' }, error!, { ...rest, field: 'policy' }, error!],
      },
    });
    expect(summary({ profile, inForce: undefined }).conditions?.[0]?.message).to.equal(
      [
        'variants[0].policy: docker-default is reserved (rule reserved-name); choose another name',
        'line 3: docker-default is reserved (rule reserved-name); choose another name',
        'docker-default is reserved (rule reserved-name); choose another name',
        '5 more errors',
        'nothing is published',
      ].join('. '),
    );
  });

  it('a failure names a node, the reason, the line and what the compiler said', () => {
    expect(summary({ nodes: [loadedOn('a'), failedOn('b'), failedOn('c')] }).conditions?.[0]?.message).to.equal(
      'failed on 2 of 3 nodes, which keep what they had; b: CompileFailed, line 3: syntax error',
    );
  });

  it('says which nodes are not counted, and why', () => {
    expect(summary({ nodes: [loadedOn('a'), notReady, virtual, unsupported] }).conditions?.[0]?.message).to.equal(
      'loaded on 1 of 1 node; not counted: 1 AppArmorDisabled, 1 NodeNotReady, 1 VirtualNode',
    );
  });
});

describe('summarize: what is counted', () => {
  it('each selected node once', () => {
    const result = summary({
      nodes: [loadedOn('a'), pending, failedOn('b'), conflict, notReady, virtual, agentless, unsupported],
    });
    expect(result.nodes).to.deep.equal({
      desired: 8,
      loaded: 1,
      pending: 1,
      failed: 1,
      conflict: 1,
      unreachable: 3,
      unsupported: 1,
    });
  });

  it('lists what the review refused before what failed on nodes, with the line but without a node', () => {
    const { failures = [] } = summary({ profile: refused, nodes: [failedOn('a')] });
    expect(failures[0]).to.deep.equal({
      reason: 'PolicyRefused',
      message: 'line 3: docker-default is reserved (rule reserved-name); choose another name',
      line: 3,
    });
    expect(failures[1]).to.deep.include({ reason: 'CompileFailed', nodes: 1, example: 'a' });
  });

  it('groups failures, the most frequent first, at most ten, with the first node by name', () => {
    const nodes = [
      failedOn('z', { message: 'rare' }),
      failedOn('y', { message: 'often' }),
      failedOn('x', { message: 'often' }),
      ...Array.from({ length: 12 }, (_, index) => failedOn(`m${index}`, { message: `m${index}`, line: undefined })),
    ];
    const { failures = [] } = summary({ nodes });
    expect(failures).to.have.length(10);
    expect(failures[0]).to.deep.equal({ reason: 'CompileFailed', message: 'often', line: 3, nodes: 2, example: 'x' });
    expect(failures[1]).not.to.have.property('line');
    expect(summary({ nodes: nodes.toReversed() })).to.deep.equal(summary({ nodes }));
    expect(summary({ nodes }).conditions?.[0]?.message).to.contain(
      'x: CompileFailed, line 3: often; 13 more in status.failures',
    );
  });

  it('bounds what a node says', () => {
    const { failures = [] } = summary({ nodes: [failedOn('a', { message: 'x'.repeat(5000) })] });
    expect(failures[0]?.message).to.have.length(512);
  });
});

const stored = (nodes: NodeFacts[], change: Partial<SummaryInput> = {}): AppArmorProfileStatus =>
  summary({ nodes, ...change, now: new Date('2030-01-01T00:00:00Z') });

describe('summarize: what was before', () => {
  it('the same again is the same, at whatever time', () => {
    const status = stored([loadedOn('a')]);
    expect(summary({ profile: profileView({ status }), nodes: [loadedOn('a')] })).to.deep.equal(status);
  });

  for (const [title, profile, nodes, expected] of [
    ['a joining node does not take Ready away', {}, [loadedOn('a'), pending], 'Ready=True/Loaded'],
    ['nor does one that restarts', {}, [loadedOn('a'), nodeFacts('b', { bootID: 'x' })], 'Ready=True/Loaded'],
    ['but a node that fails does', {}, [loadedOn('a'), failedOn('b')], 'Ready=False/NodesFailed Stalled=True'],
    ['and a new generation', { generation: 3 }, [loadedOn('a'), pending], 'Ready=False/Progressing Reconciling=True'],
    ['at least one must hold it', {}, [pending], 'Ready=False/Progressing Reconciling=True'],
  ] as const) {
    it(title, () => {
      const status = stored([loadedOn('a')]);
      const result = summary({ profile: profileView({ status, ...profile }), nodes });
      expect(conditionsOf(result)).to.equal(expected);
    });
  }

  it('says that a node is joining', () => {
    const status = stored([loadedOn('a')]);
    const result = summary({ profile: profileView({ status }), nodes: [loadedOn('a'), pending] });
    expect(result.conditions?.[0]?.message).to.equal('loaded on 1 of 2 nodes; 1 joining');
  });

  it('another revision of the same generation is not Ready because the last one was', () => {
    const status = { ...stored([loadedOn('a')]), revision: 'old' };
    const result = summary({ profile: profileView({ status }), nodes: [loadedOn('a'), pending] });
    expect(conditionsOf(result)).to.equal('Ready=False/Progressing Reconciling=True');
  });
});
