import { expect } from 'chai';
import { publishedRuleText, ruleOnRevision, type WantedRule } from '../../../../src/admission/pods/published-rule.ts';
import { ruleStateOf } from '../../../../src/controller/pods/rule-state.ts';
import { HASH, profileView, revisionView } from '../objects.ts';

const WANTED: WantedRule = { profile: 'web', priority: 0, selector: {}, creationTimestamp: '2030-01-01T00:00:00Z' };

function profile(podRule?: WantedRule) {
  return profileView({
    verdict: { kind: 'accepted', hash: HASH, profiles: ['web'], ...(podRule === undefined ? {} : { podRule }) },
  });
}

function revision(rule: WantedRule) {
  const podRuleText = publishedRuleText(rule, undefined, 1);
  const podRule = ruleOnRevision({
    labels: { 'apparmor-operator.dev/object-uid': 'uid-web' },
    annotations: {
      'apparmor-operator.dev/object': 'web',
      'apparmor-operator.dev/revision-hash': HASH,
      'apparmor-operator.dev/pod-rule': podRuleText,
    },
  });
  if (podRule === undefined) throw new Error('no rule');
  return revisionView({ podRuleText, podRule });
}

const inForce = { kind: 'in-force' } as const;
const publishing = { kind: 'not-yet', message: 'spec.pods is being published' };

describe('ruleStateOf', () => {
  it('is none without a rule', () => {
    expect(ruleStateOf(profile(), revisionView(), () => inForce)).to.equal(undefined);
  });

  it('is what was proved of the published rule', () => {
    expect(
      ruleStateOf(profile(WANTED), revision(WANTED), ({ profile, since }) => {
        expect([profile, since]).to.deep.equal(['web', 1]);
        return inForce;
      }),
    ).to.deep.equal(inForce);
  });

  it('is not yet in force while another rule, or none, or one too many is published', () => {
    expect(ruleStateOf(profile(WANTED), revisionView(), () => inForce)).to.deep.equal(publishing);
    expect(ruleStateOf(profile(WANTED), revision({ ...WANTED, priority: 1 }), () => inForce)).to.deep.equal(publishing);
    expect(ruleStateOf(profile(), revision(WANTED), () => inForce)).to.deep.equal(publishing);
  });
});
