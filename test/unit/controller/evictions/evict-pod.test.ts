import { expect } from 'chai';
import { evictPod } from '../../../../src/controller/evictions/evict-pod.ts';
import { KubeError } from '../../../../src/kube/errors.ts';
import type { KubeRequest, KubeResponse, Transport } from '../../../../src/kube/transport.ts';
import { going } from '../fake-client.ts';

const POD = { namespace: 'shop', name: 'web-1', uid: 'uid-1' };
const DENIED =
  'pods "web-1" is forbidden: User "x" cannot create resource "pods/eviction" in API group "" in the namespace "shop"';

describe('evictPod', () => {
  it('asks the Eviction API, for this very pod', async () => {
    const asked: KubeRequest[] = [];
    const request = async (sent: KubeRequest): Promise<KubeResponse> => {
      asked.push(sent);
      return {} as KubeResponse;
    };
    expect(await evictPod(POD, { request }, going)).to.deep.equal({ kind: 'evicted' });
    expect(asked).to.deep.equal([
      {
        method: 'POST',
        path: '/api/v1/namespaces/shop/pods/web-1/eviction',
        body: {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { namespace: 'shop', name: 'web-1' },
          deleteOptions: { preconditions: { uid: 'uid-1' } },
        },
        signal: going,
      },
    ]);
  });

  const answers: [what: string, status: number, message: string, result: string][] = [
    ['a budget that is spent', 429, 'Cannot evict pod as it would violate the pod’s disruption budget.', 'refused'],
    ['two budgets for one pod', 500, 'This pod has more than one PodDisruptionBudget', 'refused'],
    ['a webhook that refuses', 403, 'admission webhook "x" denied the request: not now', 'refused'],
    ['no right', 403, DENIED, 'denied'],
    ['no pod', 404, 'not found', 'gone'],
    ['another pod of that name', 409, 'the UID in the precondition does not match', 'gone'],
  ];
  for (const [what, status, message, result] of answers) {
    it(`${what}: ${result}`, async () => {
      const error = new KubeError({ status, reason: 'R', message, retryAfterSeconds: 10 });
      const got = await evictPod(POD, failing(error), going);
      expect(got.kind).to.equal(result);
      if (got.kind === 'refused') expect(got.error).to.equal(error);
    });
  }

  it('throws where nobody answers', async () => {
    for (const error of [new KubeError({ status: 0, reason: 'Timeout', message: 'm' }), new Error('aborted')]) {
      const thrown = await evictPod(POD, failing(error), going).catch((caught: unknown) => caught);
      expect(thrown).to.equal(error);
    }
  });
});

function failing(refusal: Error): Pick<Transport, 'request'> {
  return { request: () => Promise.reject(refusal) };
}
