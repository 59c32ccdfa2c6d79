import { expect } from 'chai';
import { placementPatch } from '../../../../src/admission/pods/node-affinity.ts';
import { NotAPodError, readPod } from '../../../../src/admission/pods/pod-subject.ts';
import { decide } from '../../../../src/admission/pods/rule.ts';
import { AFFINITY_CASES, AFFINITY_RULES, affinityPod } from './affinity-table.ts';
import { applyPatch } from './json-patch.ts';

function patchOf(pod: object, mixed: boolean) {
  const subject = readPod(pod);
  const decision = decide(subject, { name: 'shop', labels: {} }, AFFINITY_RULES, 'own');
  return placementPatch(pod, subject, decision, mixed);
}

describe('placementPatch', () => {
  for (const each of AFFINITY_CASES) {
    it(each.what, () => {
      const pod = affinityPod(each);
      const { spec, ...rest } = applyPatch(pod, patchOf(pod, each.mixed)) as typeof pod;
      const { affinity, ...others } = spec;
      expect(affinity).to.deep.equal(each.affinity);
      // All else is as it was.
      const { affinity: _, ...before } = pod.spec;
      expect({ ...rest, spec: others }).to.deep.equal({ metadata: pod.metadata, spec: before });
    });
  }

  it('does nothing the second time', () => {
    for (const each of AFFINITY_CASES) {
      const pod = affinityPod(each);
      const once = applyPatch(pod, patchOf(pod, each.mixed));
      expect(patchOf(once, each.mixed), each.what).to.deep.equal([]);
    }
  });

  it('does nothing for a pod that no rule means', () => {
    expect(patchOf({ metadata: {}, spec: { containers: [{ name: 'one' }] } }, true)).to.deep.equal([]);
  });

  it('takes null for absent', () => {
    for (const affinity of [null, { nodeAffinity: null }]) {
      const pod = affinityPod({ what: '', spec: { affinity, nodeName: null }, mixed: true, affinity: undefined });
      expect(JSON.stringify(applyPatch(pod, patchOf(pod, true)))).to.contain('nodeSelectorTerms');
    }
  });

  it('leaves without terms what the API server refuses for having none', () => {
    const required = { nodeSelectorTerms: [] };
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
    const pod = affinityPod({ what: '', spec: { affinity }, mixed: true, affinity: undefined });
    expect(patchOf(pod, true)).to.deep.equal([]);
  });

  const spoilt: [what: string, affinity: unknown][] = [
    ['an affinity', []],
    ['a node affinity', { nodeAffinity: 'x' }],
    ['a list of terms', required({ nodeSelectorTerms: 'x' })],
    ['a term', required({ nodeSelectorTerms: ['x'] })],
    ['a list of expressions', required({ nodeSelectorTerms: [{ matchExpressions: {} }] })],
  ];
  for (const [what, affinity] of spoilt) {
    it(`refuses ${what} of another type`, () => {
      const pod = affinityPod({ what: '', spec: { affinity }, mixed: true, affinity: undefined });
      expect(() => patchOf(pod, true)).to.throw(NotAPodError);
    });
  }

  it('keeps an expression that is none, which the API server will refuse', () => {
    const affinity = required({ nodeSelectorTerms: [{ matchExpressions: ['x'] }] });
    const pod = affinityPod({ what: '', spec: { affinity }, mixed: true, affinity: undefined });
    expect(patchOf(pod, true)).to.have.length(1);
  });
});

function required(selector: object): object {
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: selector } };
}
