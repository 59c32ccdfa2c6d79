import { expect } from 'chai';
import type { AppArmorProfileStatus } from '../../../../src/api/generated/index.ts';
import { paceWrite } from '../../../../src/controller/status/pace.ts';
import { statusEvents } from '../../../../src/controller/status/status-events.ts';

function status(
  change: Partial<AppArmorProfileStatus> = {},
  counts: object = {},
  ready = 'False',
): AppArmorProfileStatus {
  return {
    observedGeneration: 1,
    revision: 'a',
    conditions: [condition(ready, 'Progressing', 'x')],
    nodes: { desired: 9, loaded: 0, pending: 9, failed: 0, conflict: 0, unreachable: 0, unsupported: 0, ...counts },
    nodesLoaded: '0/9',
    ...change,
  };
}

function condition(state: string, reason: string, message: string, observedGeneration = 1) {
  return { type: 'Ready', status: state, reason, message, observedGeneration, lastTransitionTime: 't' } as never;
}

describe('paceWrite', () => {
  const progress = status({ nodesLoaded: '1/9' }, { loaded: 1, pending: 8 });
  for (const [title, input, expected] of [
    ['the same', { next: status() }, { kind: 'same' }],
    ['the first status', { stored: undefined }, { kind: 'now' }],
    ['progress', {}, { kind: 'inTurn', leastMs: 900 }],
    ['progress after a second', { sinceLastWriteMs: 1000 }, { kind: 'inTurn', leastMs: 0 }],
    ['progress, and we never wrote', { sinceLastWriteMs: undefined }, { kind: 'inTurn', leastMs: 0 }],
    ['progress of 99 nodes', { nodes: 99 }, { kind: 'inTurn', leastMs: 900 }],
    ['progress of 100 nodes', { nodes: 100 }, { kind: 'inTurn', leastMs: 9900 }],
    ['the first failure', { next: status({}, { failed: 1, pending: 8 }) }, { kind: 'now' }],
    ['the first conflict', { next: status({}, { conflict: 1, pending: 8 }) }, { kind: 'now' }],
    [
      'the second failure',
      { stored: status({}, { failed: 1 }), next: status({}, { failed: 2 }) },
      { kind: 'inTurn', leastMs: 900 },
    ],
    ['completion', { next: status({}, { loaded: 8, unreachable: 1, pending: 0 }) }, { kind: 'now' }],
    ['Ready changes', { next: status({}, {}, 'True') }, { kind: 'now' }],
    ['another revision', { next: status({ revision: 'b' }) }, { kind: 'now' }],
    ['another generation', { next: status({ observedGeneration: 2 }) }, { kind: 'now' }],
  ] as const) {
    it(title, () => {
      const base = { stored: status(), next: progress, nodes: 9, sinceLastWriteMs: 100 };
      expect(paceWrite({ ...base, ...input })).to.deep.equal(expected);
    });
  }

  it('does not mind the order of members', () => {
    const { nodes, ...rest } = status();
    const base = { next: status(), nodes: 9, sinceLastWriteMs: 0 };
    expect(paceWrite({ ...base, stored: { nodes: nodes!, ...rest } })).to.deep.equal({ kind: 'same' });
  });
});

const at = (...args: Parameters<typeof condition>) => status({ conditions: [condition(...args)] });

describe('statusEvents', () => {
  for (const [title, stored, next, expected] of [
    ['progress is no news', undefined, at('False', 'Progressing', 'x'), []],
    ['ready', at('False', 'Progressing', 'x'), at('True', 'Loaded', 'on 3'), ['Normal Ready: on 3']],
    ['ready, on more nodes', at('True', 'Loaded', 'on 3'), at('True', 'Loaded', 'on 4'), []],
    ['ready in another generation', at('True', 'Loaded', 'm'), at('True', 'Loaded', 'm', 2), ['Normal Ready: m']],
    ['not enforcing', undefined, at('True', 'LoadedNotEnforcing', 'complain'), ['Warning Ready: complain']],
    ['refused', undefined, at('False', 'PolicyRefused', 'line 3'), ['Warning PolicyRefused: line 3']],
    [
      'refused otherwise',
      at('False', 'PolicyRefused', 'line 3'),
      at('False', 'PolicyRefused', 'line 4'),
      ['Warning PolicyRefused: line 4'],
    ],
    ['refused as before', at('False', 'PolicyRefused', 'm'), at('False', 'PolicyRefused', 'm'), []],
    ['failed', at('True', 'Loaded', 'm'), at('False', 'NodesFailed', 'b: x'), ['Warning LoadFailed: b: x']],
    ['conflict', undefined, at('False', 'Conflict', 'm'), ['Warning Conflict: m']],
    ['not stored', undefined, at('Unknown', 'PublishFailed', 'm'), ['Warning PublishFailed: m']],
    ['nowhere to enforce', undefined, at('False', 'NoEnforcingNode', 'm'), ['Warning NoEnforcingNode: m']],
    ['nowhere at all', undefined, at('False', 'NoMatchingNode', 'm'), ['Warning NoMatchingNode: m']],
    ['no condition', undefined, status({ conditions: [] }), []],
  ] as const) {
    it(title, () => {
      const told = statusEvents(stored, next).map(({ type, reason, note }) => `${type} ${reason}: ${note}`);
      expect(told).to.deep.equal(expected);
    });
  }
});
