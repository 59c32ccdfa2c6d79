import { expect } from 'chai';
import { createRuleLookup, selects } from '../../../../src/controller/pods/rule-lookup.ts';
import { rule } from '../../admission/pods/rules.ts';

const RULES = [
  rule('every'),
  rule('label', { selector: { matchLabels: { app: 'web' } } }),
  rule('labels', { selector: { matchLabels: { app: 'web', tier: 'front' } } }),
  rule('expression', { selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }),
  rule('without', { selector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } }),
  rule('namespace', { namespaceSelector: { matchLabels: { team: 'shop' } } }),
  rule('both', { selector: { matchLabels: { app: 'web' } }, namespaceSelector: { matchLabels: { team: 'shop' } } }),
];
const PODS = [{}, { app: 'web' }, { app: 'web', tier: 'front' }, { app: 'other' }, { tier: 'front' }, { team: 'shop' }];
const NAMESPACES = [{}, { team: 'shop' }, { team: 'other' }, { app: 'web' }];

describe('createRuleLookup', () => {
  for (const pod of PODS) {
    for (const namespace of NAMESPACES) {
      it(`finds what all selectors say: ${JSON.stringify(pod)} in ${JSON.stringify(namespace)}`, () => {
        const lookup = createRuleLookup();
        RULES.forEach((each) => lookup.set(each));
        const expected = RULES.filter((each) => selects(each, pod, namespace));
        expect(lookup.selecting(pod, namespace)).to.have.members(expected);
      });
    }
  }

  it('has one rule for each object', () => {
    const lookup = createRuleLookup();
    lookup.set(rule('a', { selector: { matchLabels: { app: 'web' } } }));
    const second = rule('a', { selector: { matchLabels: { app: 'other' } } });
    lookup.set(second);
    expect(lookup.selecting({ app: 'web' }, {})).to.deep.equal([]);
    expect(lookup.selecting({ app: 'other' }, {})).to.deep.equal([second]);
    expect([lookup.get('uid-a'), lookup.uids()]).to.deep.equal([second, ['uid-a']]);
    lookup.delete('uid-a');
    lookup.delete('uid-a');
    expect([lookup.selecting({ app: 'other' }, {}), lookup.uids()]).to.deep.equal([[], []]);
  });
});
