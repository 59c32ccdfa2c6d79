import { expect } from 'chai';
import { addedUp, createRequestCount, kindOf } from '../../bench/request-count.ts';
import type { KubeRequest, Transport } from '../../../src/kube/transport.ts';
import { createManualClock } from '../kube/manual-clock.ts';

const NODES = '/api/v1/nodes';
const REVISIONS = '/apis/apps/v1/namespaces/apparmor-operator/controllerrevisions';

describe('bench/request-count', () => {
  for (const [kind, request] of [
    ['list', { method: 'GET', path: NODES, query: { limit: 500 } }],
    ['watch', { method: 'GET', path: NODES, query: { watch: true } }],
    ['get', { method: 'GET', path: `${REVISIONS}/web-1` }],
    ['list', { method: 'GET', path: REVISIONS }],
    ['write', { method: 'PATCH', path: '/apis/apparmor-operator.dev/v1alpha1/apparmornodes/a/status' }],
  ] as const satisfies [string, KubeRequest][]) {
    it(`${request.method} ${request.path} is a ${kind}`, () => {
      expect(kindOf(request)).to.equal(kind);
    });
  }

  it('counts as requests are asked for, refused ones too, and forgets seconds after ten minutes', async () => {
    const clock = createManualClock(1_000_000);
    const count = createRequestCount(clock);
    const refusing: Omit<Transport, 'close'> = {
      request: () => Promise.reject(new Error('refused')),
      stream: () => Promise.reject(new Error()),
    };
    const transport = count.counting({ ...refusing, close: async () => undefined });
    await transport.request({ method: 'GET', path: NODES }).catch(() => undefined);
    await transport.stream({ method: 'GET', path: NODES, query: { watch: true } }).catch(() => undefined);
    expect(count.figures()).to.deep.equal({ byKind: { get: 0, list: 1, watch: 1, write: 0 }, bySecond: { 1000: 2 } });
    await clock.advance(601_000);
    await transport.request({ method: 'PATCH', path: NODES }).catch(() => undefined);
    expect(count.figures().bySecond).to.deep.equal({ 1601: 1 });
    expect(addedUp([count.figures(), count.figures()])).to.deep.equal({
      byKind: { get: 0, list: 2, watch: 2, write: 2 },
      bySecond: { 1601: 2 },
    });
  });
});
