import { expect } from 'chai';
import type { OwnerReference } from '../../../../src/api/resources.ts';
import { AGENT_MEMORY, type AgentConfig } from '../../../../src/controller/daemonset/agent-config.ts';
import { agentDaemonSet } from '../../../../src/controller/daemonset/agent-daemonset.ts';

export const owner: OwnerReference = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: 'apparmor-operator-controller',
  uid: 'uid-role',
};
const config: AgentConfig = { namespace: 'operator', image: 'registry/operator:1', logLevel: 'info' };

describe('agentDaemonSet', () => {
  const { metadata, spec } = agentDaemonSet(config, owner);
  const pod = spec.template.spec;
  const container = pod?.containers[0];

  it('has the rights that were measured, and no other', () => {
    expect(pod?.containers).to.have.length(1);
    expect(container?.securityContext).to.deep.equal({
      runAsUser: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['MAC_ADMIN'] },
      appArmorProfile: { type: 'Unconfined' },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod).to.include({ hostPID: false, hostNetwork: false, hostIPC: false });
  });

  it('sees three folders of the host and may write two of them', () => {
    const hostPaths = pod?.volumes?.flatMap(({ name, hostPath }) =>
      hostPath === undefined ? [] : [[name, hostPath.path, hostPath.type]],
    );
    expect(hostPaths).to.deep.equal([
      ['securityfs', '/sys/kernel/security', undefined],
      ['proc', '/proc', 'Directory'],
      ['state', '/var/lib/apparmor-operator', 'DirectoryOrCreate'],
    ]);
    const writable = container?.volumeMounts?.filter(({ readOnly }) => readOnly !== true).map(({ name }) => name);
    expect(writable).to.deep.equal(['securityfs', 'state', 'scratch']);
    const mounted = container?.volumeMounts?.map(({ name }) => name);
    expect(mounted).to.deep.equal(pod?.volumes?.map(({ name }) => name));
  });

  it('runs on every Linux node with a kernel, before everything else, a tenth of them at a time', () => {
    expect(pod).to.deep.include({
      priorityClassName: 'system-node-critical',
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ operator: 'Exists' }],
      serviceAccountName: 'apparmor-operator-agent',
    });
    expect(
      pod?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
    ).to.deep.equal([
      {
        matchExpressions: [
          { key: 'type', operator: 'NotIn', values: ['virtual-kubelet'] },
          { key: 'eks.amazonaws.com/compute-type', operator: 'NotIn', values: ['fargate'] },
        ],
      },
    ]);
    expect(spec.updateStrategy).to.deep.equal({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } });
    expect(spec.template.metadata?.labels).to.include(spec.selector.matchLabels);
  });

  it('has the memory that the agent’s limits on a compile are made for', () => {
    expect(container?.resources).to.deep.equal({
      requests: { cpu: '10m', memory: AGENT_MEMORY.request },
      limits: { memory: AGENT_MEMORY.limit },
    });
  });

  it('is probed where it listens', () => {
    for (const [probe, path] of [
      [container?.livenessProbe, '/healthz'],
      [container?.readinessProbe, '/readyz'],
    ] as const) {
      expect(probe?.httpGet).to.deep.equal({ path, port: 'health', scheme: 'HTTP' });
    }
    expect(container?.ports).to.deep.equal([{ name: 'health', containerPort: 8081, protocol: 'TCP' }]);
    expect(container?.args).to.include('--health-port=8081');
  });

  it('belongs to the ClusterRole of the manifests', () => {
    expect(metadata).to.deep.include({
      name: 'apparmor-operator-agent',
      namespace: 'operator',
      ownerReferences: [owner],
    });
  });

  it('has a hash that follows the configuration, and the configuration only', () => {
    const hashOf = (change: Partial<AgentConfig>, by = owner): string | undefined =>
      agentDaemonSet({ ...config, ...change }, by).metadata.annotations?.['apparmor-operator.dev/spec-hash'];
    expect(hashOf({})).to.match(/^[0-9a-f]{16}$/);
    expect(hashOf({}, { ...owner, uid: 'new' })).to.equal(hashOf({}));
    for (const change of [
      { image: 'other' },
      { imagePullPolicy: 'Always' },
      { imagePullSecrets: ['secret'] },
      { logLevel: 'debug' },
    ]) {
      expect(hashOf(change)).not.to.equal(hashOf({}));
    }
    expect(hashOf({ imagePullSecrets: [] })).to.equal(hashOf({}));
  });
});
