import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import {
  AGENT_DAEMONSET,
  AGENT_SERVICE_ACCOUNT,
  API_GROUP,
  CONTROLLER_LEASE,
  DEFAULT_NAMESPACE,
  LABEL,
  OWNER_CLUSTER_ROLE,
  REVIEW_WEBHOOK,
  WEBHOOK_SECRET,
  WEBHOOK_SERVICE,
} from '../../../src/api/names.ts';
import { POD_CONFIGURATIONS } from '../../../src/admission/pods/entries.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { ROOT } from './folders.ts';

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
}

interface FlowSchema extends Manifest {
  spec: { rules: { subjects: object[] }[] };
}

interface Role extends Manifest {
  rules: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[];
}

/** The manifests are plain files that say again what names.ts says. */
describe('the manifests and src/api/names.ts agree on', () => {
  it('the namespace', async () => {
    expect((await manifest('default/namespace.yaml', 'Namespace')).metadata.name).to.equal(DEFAULT_NAMESPACE);
    for (const file of ['rbac/controller.yaml', 'rbac/agent.yaml', 'controller/deployment.yaml']) {
      const others = (await manifests(file)).flatMap(({ metadata }) => metadata.namespace ?? []);
      expect(others.filter((name) => name !== DEFAULT_NAMESPACE && name !== 'default')).to.deep.equal([]);
    }
  });

  it('the agents’ ServiceAccount, also in the admission policy and the FlowSchema', async () => {
    expect((await manifest('rbac/agent.yaml', 'ServiceAccount')).metadata.name).to.equal(AGENT_SERVICE_ACCOUNT);
    const policy = await readFile(join(ROOT, 'manifests/rbac/agent-own-node.yaml'), 'utf8');
    expect(policy).to.contain(`"system:serviceaccount:${DEFAULT_NAMESPACE}:${AGENT_SERVICE_ACCOUNT}"`);
    expect(policy).to.contain(`"${API_GROUP}"`);
    expect(policy).to.contain(`"${APPARMOR_NODE.plural}"`);
    expect(await flowSubjects('rbac/agent-flow.yaml')).to.deep.equal([flowSubject(AGENT_SERVICE_ACCOUNT)]);
  });

  it('the ClusterRole that owns what the controller creates', async () => {
    const role = (await manifest('rbac/controller.yaml', 'ClusterRole')) as Role;
    expect(role.metadata.name).to.equal(OWNER_CLUSTER_ROLE);
    const own = role.rules.find(({ resources }) => resources.includes('clusterroles'));
    expect(own).to.deep.include({ resourceNames: [OWNER_CLUSTER_ROLE], verbs: ['get'] });
    expect(role.rules[0]).to.deep.include({ apiGroups: [API_GROUP], resources: [APPARMOR_PROFILE.plural] });
  });

  it('the controller’s ServiceAccount, also in the FlowSchemas and the admission policy, and the label that it allows', async () => {
    const account = (await manifest('rbac/controller.yaml', 'ServiceAccount')).metadata.name;
    expect(await flowSubjects('rbac/controller-flow.yaml')).to.deep.equal([flowSubject(account), flowSubject(account)]);
    const policy = await readFile(join(ROOT, 'manifests/rbac/controller-node-label.yaml'), 'utf8');
    expect(policy).to.contain(`"system:serviceaccount:${DEFAULT_NAMESPACE}:${account}"`);
    expect(policy).to.contain(`"${LABEL.enforcing}"`);
    const evict = (await manifest('evict/clusterrole.yaml', 'ClusterRole')) as Role;
    expect(evict.rules).to.deep.equal([{ apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] }]);
    const binding = await manifest('evict/clusterrole.yaml', 'ClusterRoleBinding');
    expect(binding).to.deep.include({
      subjects: [{ kind: 'ServiceAccount', name: account, namespace: DEFAULT_NAMESPACE }],
    });
  });

  it('the objects that the controller may write', async () => {
    const { rules } = (await manifest('rbac/controller.yaml', 'Role')) as Role;
    const limited = rules.filter(({ resourceNames }) => resourceNames !== undefined);
    expect(limited.map(({ resources, resourceNames }) => [resources, resourceNames])).to.deep.equal([
      [['daemonsets'], [AGENT_DAEMONSET]],
      [['secrets'], [WEBHOOK_SECRET]],
      [['leases'], [CONTROLLER_LEASE]],
    ]);
    const cluster = (await manifest('rbac/controller.yaml', 'ClusterRole')) as Role;
    expect(cluster.rules.filter(({ resourceNames }) => resourceNames?.[0] === REVIEW_WEBHOOK)).to.deep.equal([
      {
        apiGroups: ['admissionregistration.k8s.io'],
        resources: ['validatingwebhookconfigurations'],
        resourceNames: [REVIEW_WEBHOOK],
        verbs: ['list', 'watch', 'update'],
      },
    ]);
    const pods = cluster.rules.filter(({ resources }) => resources.includes('mutatingwebhookconfigurations'));
    expect(pods.map(({ resourceNames, verbs }) => [resourceNames, verbs])).to.deep.equal([
      [undefined, ['create', 'list', 'watch']],
      [[...POD_CONFIGURATIONS], ['update']],
    ]);
  });

  it('the Service of the webhooks, which leads to the controller', async () => {
    const service = (await manifest('controller/service.yaml', 'Service')) as Manifest & {
      spec: { selector: object; ports: { port: number; targetPort: string }[] };
    };
    expect(service.metadata.name).to.equal(WEBHOOK_SERVICE);
    expect(service.spec.selector).to.deep.equal({
      [LABEL.name]: 'apparmor-operator',
      [LABEL.component]: 'controller',
    });
    expect(service.spec.ports).to.deep.equal([{ name: 'webhook', port: 443, targetPort: 'webhook' }]);
    const deployment = await readFile(join(ROOT, 'manifests/controller/deployment.yaml'), 'utf8');
    expect(deployment).to.match(/- name: webhook\n +containerPort: 9443\n/);
  });

  it('the labels of the controller', async () => {
    const deployment = parse(await readFile(join(ROOT, 'manifests/controller/deployment.yaml'), 'utf8')) as {
      spec: { selector: { matchLabels: object } };
    };
    expect(deployment.spec.selector.matchLabels).to.deep.equal({
      [LABEL.name]: 'apparmor-operator',
      [LABEL.component]: 'controller',
    });
  });

  it('the version', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const kustomization = parse(await readFile(join(ROOT, 'manifests/default/kustomization.yaml'), 'utf8')) as {
      images: object[];
    };
    const image = 'apparmor-operator';
    expect(kustomization.images).to.deep.equal([{ name: image, newName: image, newTag: version }]);
  });
});

/** Whom the FlowSchemas of a file are for. */
async function flowSubjects(file: string): Promise<object[]> {
  const flows = (await manifests(file)).filter((each): each is FlowSchema => each.kind === 'FlowSchema');
  return flows.flatMap(({ spec }) => spec.rules.flatMap((rule) => rule.subjects));
}

function flowSubject(name: string): object {
  return { kind: 'ServiceAccount', serviceAccount: { namespace: DEFAULT_NAMESPACE, name } };
}

async function manifest(file: string, kind: string): Promise<Manifest> {
  const found = (await manifests(file)).find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`${file} has no ${kind}`);
  return found;
}

async function manifests(file: string): Promise<Manifest[]> {
  const text = await readFile(join(ROOT, 'manifests', file), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}
