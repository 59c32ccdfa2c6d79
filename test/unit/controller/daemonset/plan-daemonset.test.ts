import { expect } from 'chai';
import { agentDaemonSet, type DaemonSet } from '../../../../src/controller/daemonset/agent-daemonset.ts';
import { planDaemonSet } from '../../../../src/controller/daemonset/plan-daemonset.ts';

const owner = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'role', uid: 'uid-role' };
const wanted = agentDaemonSet({ namespace: 'operator', image: 'image:1', logLevel: 'info' }, owner);
const restartedAt = 'kubectl.kubernetes.io/restartedAt';

function live(change: Partial<DaemonSet['metadata']> = {}, spec: Partial<DaemonSet['spec']> = {}): DaemonSet {
  return {
    metadata: { ...structuredClone(wanted.metadata), uid: 'uid-ds', resourceVersion: '5', generation: 3, ...change },
    spec: Object.assign(structuredClone(wanted.spec), spec),
  };
}

describe('planDaemonSet', () => {
  const written = { uid: 'uid-ds', generation: 3 };
  const hash = 'apparmor-operator.dev/spec-hash';
  for (const [title, existing, known, expected] of [
    ['there is none', undefined, undefined, 'create'],
    ['it was deleted', undefined, written, 'create'],
    ['it is the one we wrote', live(), written, 'keep'],
    ['it is being deleted', live({ deletionTimestamp: 'x', generation: 9 }), written, 'keep'],
    ['somebody changed its spec', live({ generation: 4 }), written, 'replace edited'],
    ['a label is gone', live({ labels: {} }), written, 'replace edited'],
    ['the hash is gone', live({ annotations: {} }), written, 'replace edited'],
    ['the owner is gone', live({ ownerReferences: [] }), written, 'replace edited'],
    ['the configuration changed', live({ annotations: { [hash]: 'old' } }), written, 'replace configured'],
    ['a new operator found an old one', live({ annotations: { [hash]: 'old' } }), undefined, 'replace configured'],
    ['a new leader cannot know', live(), undefined, 'replace firstLook'],
    ['it was made anew by somebody', live({ uid: 'new', generation: 3 }), written, 'replace firstLook'],
  ] as const) {
    it(title, () => {
      const plan = planDaemonSet(wanted, existing, known);
      expect([plan.kind, ...('reason' in plan ? [plan.reason] : [])].join(' ')).to.equal(expected);
    });
  }

  it('puts the whole spec, keeps what others put into the metadata, and is refused if the object moved on', () => {
    const existing = live(
      { labels: { theirs: '1' }, annotations: { theirs: '2' }, generation: 9, managedFields: [{ manager: 'x' }] },
      { minReadySeconds: 30 },
    );
    const plan = planDaemonSet(wanted, existing, written);
    expect(plan.kind).to.equal('replace');
    if (plan.kind !== 'replace') return;
    expect(plan.object.spec).to.deep.equal(wanted.spec);
    expect(plan.object.metadata).to.deep.include({ resourceVersion: '5', uid: 'uid-ds', ownerReferences: [owner] });
    expect(plan.object.metadata.labels).to.deep.equal({ theirs: '1', ...wanted.metadata.labels });
    expect(plan.object.metadata.annotations).to.deep.equal({ theirs: '2', ...wanted.metadata.annotations });
    expect(plan.object.metadata).not.to.have.property('managedFields');
  });

  it('keeps the wish of kubectl rollout restart, and no other annotation of the template', () => {
    const existing = live({ generation: 9 });
    existing.spec.template.metadata = { annotations: { [restartedAt]: 'now', theirs: 'x' } };
    const plan = planDaemonSet(wanted, existing, written);
    expect(plan.kind === 'replace' && plan.object.spec.template.metadata).to.deep.equal({
      labels: wanted.spec.template.metadata?.labels,
      annotations: { [restartedAt]: 'now' },
    });
    expect(wanted.spec.template.metadata).not.to.have.property('annotations');
  });
});
