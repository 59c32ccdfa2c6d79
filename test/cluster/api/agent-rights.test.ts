import { expect } from 'chai';
import type { AppArmorNode } from '../../../src/api/generated/index.ts';
import { AGENT_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import type { KubeRequest } from '../../../src/kube/transport.ts';
import {
  administrator,
  bearerOf,
  creation,
  eventually,
  GROUP_PATH,
  installOperator,
  kubectl,
  NAMESPACE,
  profile,
  tokenOf,
  uninstallOperator,
} from './installation.ts';
import type { Caller } from './installation.ts';
import { grantedRights } from './rights.ts';

const HERE = 'agent-rights-a';
const THERE = 'agent-rights-b';
const NODES = `${GROUP_PATH}/apparmornodes`;
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const BINDING =
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/apparmor-operator-agent-own-node';
const OTHER_NODE = new RegExp(`the agent on node ${HERE} may write only the AppArmorNode of that name`);
const NOT_STATUS = /may write nothing but the status of AppArmorNodes/;

/** Rights that the manifests do not give the agent, given here to show that the policy stops it all the same. */
const MORE_RIGHTS = [
  { apiGroups: ['apparmor-operator.dev'], resources: ['*'], verbs: ['*'] },
  { apiGroups: [''], resources: ['configmaps', 'pods', 'pods/exec'], verbs: ['*'] },
];

/** Writes that the policy refuses. */
const WRITES: { title: string; request: KubeRequest }[] = [
  { title: 'create an AppArmorNode', request: creation(NODES, appArmorNode('agent-rights-c')) },
  { title: 'change the spec of its own AppArmorNode', request: merge(`${NODES}/${HERE}`, { spec: { unload: [] } }) },
  { title: 'label its own AppArmorNode', request: merge(`${NODES}/${HERE}`, { metadata: { labels: { a: 'b' } } }) },
  { title: 'delete its own AppArmorNode', request: { method: 'DELETE', path: `${NODES}/${HERE}` } },
  { title: 'delete all AppArmorNodes', request: { method: 'DELETE', path: NODES } },
  {
    title: 'create an AppArmorProfile',
    request: creation(`${GROUP_PATH}/apparmorprofiles`, profile('agent-rights', { policy: 'profile p { }' })),
  },
  {
    title: 'create a ConfigMap',
    request: creation('/api/v1/namespaces/default/configmaps', { metadata: { name: 'agent-rights' } }),
  },
  {
    title: 'create a pod',
    request: creation('/api/v1/namespaces/default/pods', {
      metadata: { name: 'agent-rights' },
      spec: { containers: [{ name: 'c', image: 'none' }] },
    }),
  },
];

describe('what an agent may do', function () {
  this.timeout(120_000);

  let admin: Caller;
  let agent: Caller;
  let ofNode: Caller;
  let unbound: Caller;

  before(async () => {
    await installOperator();
    admin = administrator();
    for (const name of [HERE, THERE]) {
      await admin.ask(creation('/api/v1/nodes', { metadata: { name, labels: { 'kubernetes.io/os': 'linux' } } }));
      await admin.ask(creation(NODES, appArmorNode(name)));
    }
    await admin.ask(creation(`/api/v1/namespaces/${NAMESPACE}/pods`, agentPod()));
    agent = await bearerOf(await token(admin, { kind: 'Pod', apiVersion: 'v1', name: HERE }));
    ofNode = await bearerOf(await token(admin, { kind: 'Node', apiVersion: 'v1', name: HERE }));
    unbound = await bearerOf(await token(admin));
    await eventually('the policy is in force', () =>
      agent.refused({ ...statusPatch(THERE, 'probe'), query: { dryRun: 'All' } }),
    );
  });

  after(async () => {
    await kubectl(['delete', 'clusterrole,clusterrolebinding', 'agent-rights-test', '--ignore-not-found']);
    await kubectl(['delete', 'pod', HERE, `--namespace=${NAMESPACE}`, '--force', '--grace-period=0']);
    await kubectl(['delete', 'apparmornodes,nodes', HERE, THERE, '--ignore-not-found']);
    await uninstallOperator();
    for (const caller of [admin, agent, ofNode, unbound]) await caller.close();
  });

  it('writes the status of its own node', async () => {
    await agent.ask(statusPatch(HERE, 'patched'));
    expect(await parserOf(admin, HERE)).to.equal('patched');
    await agent.ask(statusApply(HERE, 'applied'));
    expect(await parserOf(admin, HERE)).to.equal('applied');
    await ofNode.ask(statusPatch(HERE, 'by a token of the node'));
  });

  it('reads what it has to read', async () => {
    for (const path of ['/api/v1/nodes', NODES, `/apis/apps/v1/namespaces/${NAMESPACE}/controllerrevisions`]) {
      await agent.ask({ method: 'GET', path });
    }
  });

  it('does not write the status of another node', async () => {
    expect(await agent.refused(statusPatch(THERE, 'forged'))).to.match(OTHER_NODE);
    expect(await agent.refused(statusApply(THERE, 'forged'))).to.match(OTHER_NODE);
    expect(await parserOf(admin, THERE)).to.equal(undefined);
  });

  it('writes nothing with a token that is bound to no node', async () => {
    expect(await unbound.refused(statusPatch(HERE, 'unbound'))).to.contain('token is bound to no node');
  });

  it('has by RBAC the rights that it needs and no other', async () => {
    expect(await grantedRights(admin, agent)).to.deep.equal({
      'apparmornodes.apparmor-operator.dev': 'get list watch',
      'apparmornodes.apparmor-operator.dev/status': 'patch',
      'controllerrevisions.apps': 'get list watch',
      nodes: 'get list watch',
    });
  });

  it('reads no pods, secrets, AppArmorProfiles, or revisions of others', async () => {
    const paths = ['/api/v1/pods', `/api/v1/namespaces/${NAMESPACE}/pods`, `/api/v1/namespaces/${NAMESPACE}/secrets`];
    for (const path of [...paths, `${GROUP_PATH}/apparmorprofiles`, '/apis/apps/v1/controllerrevisions']) {
      expect(await agent.refused({ method: 'GET', path })).to.contain('forbidden');
    }
  });

  describe('even if somebody grants it more', () => {
    before(async () => {
      const metadata = { name: 'agent-rights-test' };
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: metadata.name };
      const subjects = [{ kind: 'ServiceAccount', name: AGENT_SERVICE_ACCOUNT, namespace: NAMESPACE }];
      await admin.ask(creation(`${RBAC}/clusterroles`, { metadata, rules: MORE_RIGHTS }));
      await admin.ask(creation(`${RBAC}/clusterrolebindings`, { metadata, roleRef, subjects }));
      await eventually('the agent to have the rights', () => agent.ask({ method: 'GET', path: '/api/v1/pods' }));
    });

    for (const { title, request } of WRITES) {
      it(`may not ${title}`, async () => {
        expect(await agent.refused(dryRun(request))).to.match(NOT_STATUS);
      });
    }

    it('may not execute in a pod', async () => {
      expect(await agent.refused(execution())).to.match(NOT_STATUS);
    });

    it('which only the policy stops: without it all of this is allowed', async () => {
      await admin.ask({ method: 'DELETE', path: BINDING });
      await eventually('the policy to be gone', () => agent.ask(dryRun(statusPatch(THERE, 'forged'))));
      for (const { request } of WRITES) await agent.ask(dryRun(request));
      await agent.ask(statusPatch(THERE, 'forged'));
      await unbound.ask(statusPatch(HERE, 'unbound'));
      expect(await parserOf(admin, THERE)).to.equal('forged');
      expect(await agent.refused(execution())).not.to.match(NOT_STATUS);
    });

    it('and the policy stops nobody else', async () => {
      await installOperator();
      await eventually('the policy to be back', () => agent.refused(statusPatch(THERE, 'again')));
      await admin.ask(statusPatch(THERE, 'by an administrator'));
      expect(await parserOf(admin, THERE)).to.equal('by an administrator');
    });
  });
});

function appArmorNode(name: string): object {
  return { apiVersion: 'apparmor-operator.dev/v1alpha1', kind: 'AppArmorNode', metadata: { name } };
}

/** A pod such as the agent DaemonSet makes, as far as its token is concerned. */
function agentPod(): object {
  const containers = [{ name: 'agent', image: 'none' }];
  return { metadata: { name: HERE }, spec: { serviceAccountName: AGENT_SERVICE_ACCOUNT, nodeName: HERE, containers } };
}

async function token(admin: Caller, boundObjectRef?: object): Promise<string> {
  const spec = boundObjectRef === undefined ? {} : { boundObjectRef };
  return tokenOf(admin, { namespace: NAMESPACE, name: AGENT_SERVICE_ACCOUNT }, spec);
}

function merge(path: string, body: object): KubeRequest {
  return { method: 'PATCH', path, body, contentType: 'application/merge-patch+json' };
}

function statusPatch(node: string, parser: string): KubeRequest {
  return merge(`${NODES}/${node}/status`, { status: { parser } });
}

function statusApply(node: string, parser: string): KubeRequest {
  const body = { ...appArmorNode(node), status: { parser } };
  const query = { fieldManager: 'agent-rights', force: true };
  return { method: 'PATCH', path: `${NODES}/${node}/status`, body, query, contentType: 'application/apply-patch+yaml' };
}

function execution(): KubeRequest {
  const path = `/api/v1/namespaces/${NAMESPACE}/pods/${HERE}/exec`;
  return { method: 'POST', path, query: { command: 'id', stdout: true } };
}

function dryRun(request: KubeRequest): KubeRequest {
  return { ...request, query: { ...request.query, dryRun: 'All' } };
}

async function parserOf(admin: Caller, node: string): Promise<string | undefined> {
  return ((await admin.ask({ method: 'GET', path: `${NODES}/${node}` })) as AppArmorNode).status?.parser;
}
