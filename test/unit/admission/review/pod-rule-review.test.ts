import { expect } from 'chai';
import type { AppArmorProfileSpecPods } from '../../../../src/api/generated/index.ts';
import { reviewPodRule } from '../../../../src/admission/review/pod-rule-review.ts';
import { judge } from '../../../../src/admission/review/verdict.ts';
import { profileObject } from '../../controller/objects.ts';

function review(pods: AppArmorProfileSpecPods | undefined, profiles: readonly string[] = ['web']) {
  return reviewPodRule(profileObject(pods === undefined ? {} : { pods }), profiles);
}

function reviewNodes(nodeSelector: Record<string, string>) {
  return reviewPodRule(profileObject({ pods: { selector: {} }, nodeSelector }), ['web']);
}

const large = Array.from({ length: 300 }, (_, index) => `${index}`.padStart(63, 'v'));

describe('the review of spec.pods', () => {
  it('says nothing without it', () => {
    expect(review(undefined)).to.deep.equal({ findings: [] });
  });

  it('makes the rule, in the one form that rules of the same meaning have', () => {
    const pods: AppArmorProfileSpecPods = {
      selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] },
      namespaceSelector: {},
      containers: ['b', 'a'],
      priority: 3,
      restart: 'Never',
    };
    expect(review(pods)).to.deep.equal({
      rule: {
        profile: 'web',
        priority: 3,
        creationTimestamp: '2030-01-01T00:00:00Z',
        namespaceSelector: {},
        selector: { matchLabels: { app: 'web' } },
        containers: ['a', 'b'],
      },
      findings: [],
    });
    expect(review({ selector: {}, profile: 'two' }, ['one', 'two']).rule).to.deep.equal({
      profile: 'two',
      priority: 0,
      creationTimestamp: '2030-01-01T00:00:00Z',
      selector: {},
    });
  });

  it('takes the object’s nodes into the rule, as far as they can be labels', () => {
    expect(reviewNodes({ pool: 'a' }).rule).to.deep.include({ nodeSelector: { pool: 'a' } });
    expect(reviewNodes({}).rule).not.to.have.property('nodeSelector');
    // What the CRD's pattern lets pass.
    const { rule, findings } = reviewNodes({ 'a..b/c': 'd' });
    expect(rule).to.equal(undefined);
    expect(findings.map(({ field, rule: id }) => `${field}: ${id}`)).to.deep.equal([
      'nodeSelector["a..b/c"]: pods-selector-invalid',
    ]);
  });

  const refused: [what: string, pods: AppArmorProfileSpecPods, profiles: readonly string[], found: string[]][] = [
    ['no selector', {}, ['web'], ['pods: pods-selector-missing']],
    [
      'keys and values that labels cannot have',
      { selector: { matchLabels: { 'a b': 'c d' } }, namespaceSelector: { matchLabels: { '-': '' } } },
      ['web'],
      [
        'pods.namespaceSelector.matchLabels["-"]: pods-selector-invalid',
        'pods.selector.matchLabels["a b"]: pods-selector-invalid',
        'pods.selector.matchLabels["a b"]: pods-selector-invalid',
      ],
    ],
    [
      'more than fits',
      { selector: { matchExpressions: [{ key: 'a', operator: 'NotIn', values: large }] } },
      ['web'],
      ['pods: pods-selectors-too-large'],
    ],
    ['a profile that is not there', { selector: {}, profile: 'x' }, ['web'], ['pods.profile: pods-profile-unknown']],
    ['none of several', { selector: {} }, ['a', 'b'], ['pods.profile: pods-profile-unknown']],
    ['no profile at all', { selector: {}, profile: 'x' }, [], ['pods.profile: pods-profile-unknown']],
    ['no profile, none named', { selector: {} }, [], ['pods.profile: pods-profile-unknown']],
  ];
  for (const [what, pods, profiles, found] of refused) {
    it(`refuses ${what}`, () => {
      const { rule, findings } = review(pods, profiles);
      expect(rule).to.equal(undefined);
      expect(findings.map(({ field, rule: id }) => `${field}: ${id}`)).to.deep.equal(found);
      for (const { severity, remedy } of findings) {
        expect(severity).to.equal('error');
        expect(remedy).not.to.equal('');
      }
    });
  }

  it('is part of the verdict, and no part of the revision', () => {
    const [plain, confining] = [{}, { pods: { selector: {} } }].map((spec) => judge(profileObject(spec)));
    expect(plain).not.to.have.property('podRule');
    expect(confining).to.have.nested.property('podRule.profile', 'web');
    expect(confining).to.have.property('hash', plain?.kind === 'accepted' && plain.hash);
  });
});
