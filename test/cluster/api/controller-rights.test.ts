import { expect } from 'chai';
import type { KubeRequest } from '../../../src/kube/transport.ts';
import {
  administrator,
  bearerOf,
  creation,
  eventually,
  installOperator,
  kubectl,
  NAMESPACE,
  tokenOf,
  uninstallOperator,
  type Caller,
} from './installation.ts';

const NODE = 'controller-rights';
const PATH = `/api/v1/nodes/${NODE}`;
const KEY = 'apparmor-operator.dev/enforcing';
const BINDING = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/apparmor-operator-node-label';

/** Writes that the policy refuses. */
const WRITES: readonly [title: string, request: KubeRequest, message: RegExp][] = [
  ['cordon it', merge({ spec: { unschedulable: true } }), /nothing of a Node but its label/],
  ['taint it', merge({ spec: { taints: [{ key: 'a', effect: 'NoExecute' }] } }), /nothing of a Node but its label/],
  ['annotate it', merge({ metadata: { annotations: { a: 'b' } } }), /nothing of a Node but its label/],
  ['set a finalizer', merge({ metadata: { finalizers: ['example.com/a'] } }), /nothing of a Node but its label/],
  ['set another label', merge({ metadata: { labels: { a: 'b', [KEY]: 'true' } } }), /no other label/],
  ['change another label', merge({ metadata: { labels: { kept: 'b', [KEY]: 'true' } } }), /no other label/],
  ['remove another label', merge({ metadata: { labels: { kept: null, [KEY]: 'true' } } }), /no other label/],
  ['set another value', merge({ metadata: { labels: { [KEY]: 'maybe' } } }), /to true or false/],
  ['remove the label', merge({ metadata: { labels: { [KEY]: null } } }), /to true or false/],
  ['delete it', { method: 'DELETE', path: PATH }, /may only label Nodes/],
  ['write its status', { ...merge({ status: { phase: 'Running' } }), path: `${PATH}/status` }, /may only label Nodes/],
];

describe('the controller, of a Node,', function () {
  this.timeout(120_000);
  let admin: Caller;
  let controller: Caller;

  before(async () => {
    admin = administrator();
    await installOperator();
    const labels = { [KEY]: 'true', kept: 'a' };
    await admin.ask(creation('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE, labels } }));
    const name = 'apparmor-operator-controller';
    controller = await bearerOf(await tokenOf(admin, { namespace: NAMESPACE, name }));
    // More than the manifests give it, to show that the policy stops it all the same.
    const rules = ['create', 'clusterrole', NODE, '--verb=*', '--resource=nodes,nodes/status'];
    await kubectl(rules);
    await kubectl(['create', 'clusterrolebinding', NODE, `--clusterrole=${NODE}`, `--serviceaccount=${NAMESPACE}:${name}`]); // prettier-ignore
    await eventually('the policy to be in force', async () => {
      expect(await controller.refused(merge({ metadata: { annotations: { a: 'b' } } }, true))).to.contain('its label');
    });
    await eventually('the rights to be in force', async () => {
      expect(await controller.refused({ method: 'DELETE', path: PATH })).to.contain('only label');
    });
  });

  after(async () => {
    await kubectl(['delete', 'clusterrole,clusterrolebinding', NODE, '--ignore-not-found']);
    await kubectl(['delete', 'node', NODE, '--ignore-not-found']);
    await uninstallOperator();
    await controller.close();
    await admin.close();
  });

  it('may set the label that says whether it enforces, and nothing besides', async () => {
    for (const value of ['false', 'true']) await controller.ask(merge({ metadata: { labels: { [KEY]: value } } }));
  });

  for (const [title, request, message] of WRITES) {
    it(`may not ${title}`, async () => {
      expect(await controller.refused(request)).to.match(message);
    });
  }

  it('is stopped by the policy, and by nothing else', async () => {
    const binding = await admin.ask({ method: 'GET', path: BINDING });
    await admin.ask({ method: 'DELETE', path: BINDING });
    try {
      await eventually('the policy to be out of force', () =>
        controller.ask(merge({ spec: { unschedulable: true } }, true)),
      );
    } finally {
      const { metadata, ...rest } = binding as { metadata: { name: string } };
      await admin.ask(
        creation(BINDING.slice(0, BINDING.lastIndexOf('/')), { ...rest, metadata: { name: metadata.name } }),
      );
    }
  });
});

function merge(body: object, dryRun = false): KubeRequest {
  const contentType = 'application/merge-patch+json';
  return { method: 'PATCH', path: PATH, body, contentType, ...(dryRun ? { query: { dryRun: 'All' } } : {}) };
}
