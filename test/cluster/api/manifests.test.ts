import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect } from 'chai';
import { POD_CONFIGURATIONS } from '../../../src/admission/pods/entries.ts';
import { parseAllDocuments } from 'yaml';
import { OWNER_CLUSTER_ROLE } from '../../../src/api/names.ts';
import { isNotFound } from '../../../src/kube/errors.ts';
import { controlPlane } from '../fixture.ts';
import {
  administrator,
  bearerOf,
  creation,
  eventually,
  installOperator,
  kubectl,
  MANIFESTS,
  NAMESPACE,
  ROOT,
  tokenOf,
  uninstallOperator,
} from './installation.ts';
import type { Caller } from './installation.ts';
import { grantedRights } from './rights.ts';

const POD_SECURITY = 'pod-security.kubernetes.io/enforce';

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
}

interface Deployment extends Manifest {
  spec: { replicas: number; template: { metadata: { labels: object }; spec: PodSpec } };
}

interface PodSpec {
  serviceAccountName: string;
  containers: { image: string; securityContext: object }[];
}

describe('kubectl apply -k manifests/default', function () {
  this.timeout(120_000);

  let admin: Caller;
  let printed = '';
  let documents: Manifest[] = [];

  before(async () => {
    admin = administrator();
    printed = await installOperator();
    documents = await manifestsOf(MANIFESTS);
  });

  after(async () => {
    await kubectl(['delete', 'namespace', 'pod-security-test', '--ignore-not-found', '--wait=false']);
    await uninstallOperator();
    await admin.close();
  });

  it('installs everything without a warning, and changes nothing the second time', async () => {
    expect(printed.trim().split('\n')).to.have.length(documents.length);
    expect(await kubectl(['diff', '-k', MANIFESTS])).to.equal('');
    const { stderr } = await controlPlane().kubectl(['apply', '-k', MANIFESTS, '--dry-run=server']);
    expect(stderr).to.equal('');
  });

  it('holds nothing that the controller creates at run time', () => {
    const kinds = documents.map(({ kind }) => kind);
    expect(kinds).not.to.include.members(['DaemonSet']);
    expect(kinds.filter((kind) => kind.endsWith('WebhookConfiguration'))).to.deep.equal([]);
    expect(documents.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === OWNER_CLUSTER_ROLE)).to.not.equal(undefined); // prettier-ignore
  });

  it('takes the image from an overlay, or from kubectl kustomize edit', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'overlay-'));
    try {
      const images = [
        { name: 'apparmor-operator', newName: 'registry.example/security/apparmor-operator', newTag: '9.9.9' },
      ];
      const overlay = { resources: [relative(folder, MANIFESTS)], images };
      await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(overlay));
      const changed = deploymentOf(await manifestsOf(folder));
      expect(changed.spec.template.spec.containers[0]?.image).to.equal(
        'registry.example/security/apparmor-operator:9.9.9',
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('gives the controller the rights that it needs and no other', async () => {
    const { serviceAccountName: name } = deploymentOf(documents).spec.template.spec;
    const controller = await bearerOf(await tokenOf(admin, { namespace: NAMESPACE, name }));
    const clusterWide = {
      'apparmorprofiles.apparmor-operator.dev': 'get list watch',
      'apparmorprofiles.apparmor-operator.dev/status': 'patch',
      'apparmornodes.apparmor-operator.dev': 'create get list patch watch',
      nodes: 'get list patch watch',
      namespaces: 'get list watch',
      'events.events.k8s.io': 'create',
      pods: 'list watch',
      'mutatingwebhookconfigurations.admissionregistration.k8s.io': 'create list watch',
      [`mutatingwebhookconfigurations.admissionregistration.k8s.io ${POD_CONFIGURATIONS.join(',')}`]: 'update',
      'customresourcedefinitions.apiextensions.k8s.io apparmorprofiles.apparmor-operator.dev': 'get',
      'clusterroles.rbac.authorization.k8s.io apparmor-operator-controller': 'get',
      'validatingwebhookconfigurations.admissionregistration.k8s.io': 'create',
      'validatingwebhookconfigurations.admissionregistration.k8s.io apparmor-operator-review': 'list update watch',
    };
    const events = { 'events.events.k8s.io': 'create patch' };
    expect(await grantedRights(admin, controller, 'kube-system')).to.deep.equal(clusterWide);
    expect(await grantedRights(admin, controller, 'default')).to.deep.equal({ ...clusterWide, ...events });
    expect(await grantedRights(admin, controller, NAMESPACE)).to.deep.equal({
      ...clusterWide,
      ...events,
      'controllerrevisions.apps': 'create delete get list patch watch',
      'daemonsets.apps': 'create',
      'daemonsets.apps apparmor-operator-agent': 'get list update watch',
      pods: 'get list watch',
      secrets: 'create',
      'secrets apparmor-operator-webhook': 'list update watch',
      'leases.coordination.k8s.io': 'create',
      'leases.coordination.k8s.io apparmor-operator-controller': 'get update',
    });
    await controller.close();
  });

  it('runs a controller that fits the Pod Security level restricted', async () => {
    await podSecurityNamespace(admin, 'restricted');
    await admin.ask(dryRunPod('pod-security-test', deploymentOf(documents).spec.template.spec));
  });

  it('labels its namespace for the agents, which the level baseline refuses', async () => {
    const agent = agentPodSpec(deploymentOf(documents));
    await podSecurityNamespace(admin, 'baseline');
    const refused = await admin.refused(dryRunPod('pod-security-test', agent));
    expect(refused).to.match(/violates PodSecurity "baseline:.*hostPath volumes/);
    await admin.ask(dryRunPod(NAMESPACE, agent));
  });

  it('is gone after kubectl delete -k, with what the controller created', async () => {
    const owner = JSON.parse(await kubectl(['get', 'clusterrole', OWNER_CLUSTER_ROLE, '-o', 'json'])) as {
      metadata: { uid: string };
    };
    const ownerReferences = [
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        name: OWNER_CLUSTER_ROLE,
        uid: owner.metadata.uid,
      },
    ];
    await admin.ask(
      creation('/api/v1/namespaces/default/configmaps', {
        metadata: { name: 'owned-by-the-manifests', ownerReferences },
      }),
    );
    await kubectl(['apply', '--server-side', '-f', join(ROOT, 'profiles')]);
    await kubectl(['delete', '-k', MANIFESTS, '--timeout=60s']);
    const left = await kubectl(['get', 'crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,namespace', '-o', 'name']); // prettier-ignore
    expect(left).not.to.contain('apparmor');
    await eventually('the garbage collector to remove what is owned', async () => {
      const found = await admin
        .ask({ method: 'GET', path: '/api/v1/namespaces/default/configmaps/owned-by-the-manifests' })
        .catch((error: unknown) => {
          if (isNotFound(error)) return undefined;
          throw error;
        });
      if (found !== undefined) throw new Error('still there');
    });
  });
});

async function manifestsOf(folder: string): Promise<Manifest[]> {
  return parseAllDocuments(await kubectl(['kustomize', folder])).map((document) => document.toJS() as Manifest);
}

function deploymentOf(documents: readonly Manifest[]): Deployment {
  const deployment = documents.find(({ kind }) => kind === 'Deployment');
  if (deployment === undefined) throw new Error('there is no Deployment');
  return deployment as Deployment;
}

/** The settings that TESTBED.md measured to be enough for loading policy. */
function agentPodSpec(deployment: Deployment): object {
  const image = deployment.spec.template.spec.containers[0]?.image;
  const folders = ['/sys/kernel/security', '/proc', '/var/lib/apparmor-operator'];
  return {
    volumes: folders.map((path, index) => ({ name: `host-${index}`, hostPath: { path } })),
    containers: [
      {
        name: 'agent',
        image,
        securityContext: {
          runAsUser: 0,
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'], add: ['MAC_ADMIN'] },
          appArmorProfile: { type: 'Unconfined' },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      },
    ],
  };
}

async function podSecurityNamespace(admin: Caller, level: string): Promise<void> {
  const path = '/api/v1/namespaces/pod-security-test';
  const body = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'pod-security-test', labels: { [POD_SECURITY]: level } },
  };
  const query = { fieldManager: 'pod-security-test', force: true };
  await admin.ask({ method: 'PATCH', path, body, query, contentType: 'application/apply-patch+yaml' });
  await eventually('its ServiceAccount', () => admin.ask({ method: 'GET', path: `${path}/serviceaccounts/default` }));
}

function dryRunPod(namespace: string, spec: object) {
  const pod = { metadata: { name: 'pod-security-test' }, spec: { ...spec, serviceAccountName: 'default' } };
  return creation(`/api/v1/namespaces/${namespace}/pods`, pod, { dryRun: 'All' });
}
