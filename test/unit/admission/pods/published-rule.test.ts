import { expect } from 'chai';
import {
  POD_RULE_ANNOTATION,
  publishedRuleText,
  ruleOnRevision,
  type WantedRule,
} from '../../../../src/admission/pods/published-rule.ts';

const wanted: WantedRule = {
  profile: 'aa-web',
  priority: 3,
  selector: { matchLabels: { app: 'web' } },
  creationTimestamp: '2026-11-01T00:00:00Z',
};

function revision(text: string): { labels: Record<string, string>; annotations: Record<string, string> } {
  return {
    labels: { 'apparmor-operator.dev/object-uid': 'u' },
    annotations: {
      'apparmor-operator.dev/object': 'web',
      'apparmor-operator.dev/revision-hash': 'abc',
      [POD_RULE_ANNOTATION]: text,
    },
  };
}

describe('the rule on a revision', () => {
  it('is read as it was written', () => {
    expect(ruleOnRevision(revision(publishedRuleText(wanted, undefined, 7)))).to.deep.equal({
      object: { name: 'web', uid: 'u', creationTimestamp: '2026-11-01T00:00:00Z' },
      revision: 'abc',
      profile: 'aa-web',
      priority: 3,
      selector: { matchLabels: { app: 'web' } },
      since: 7,
    });
  });

  it('keeps its `since` while it says the same, in whatever order', () => {
    const first = publishedRuleText(wanted, undefined, 7);
    const { profile, ...rest } = wanted;
    expect(publishedRuleText({ ...rest, profile }, first, 8)).to.equal(first);
    const changed = publishedRuleText({ ...wanted, containers: ['one'] }, first, 8);
    expect(ruleOnRevision(revision(changed))).to.include({ since: 8 });
    expect(ruleOnRevision(revision(publishedRuleText(wanted, changed, 9)))).to.include({ since: 9 });
    expect(ruleOnRevision(revision(publishedRuleText(wanted, 'spoilt', 9)))).to.include({ since: 9 });
  });

  it('is another rule where its nodes are others', () => {
    const first = publishedRuleText(wanted, undefined, 7);
    const moved = publishedRuleText({ ...wanted, nodeSelector: { pool: 'a' } }, first, 8);
    expect(ruleOnRevision(revision(moved))).to.deep.include({ since: 8, nodeSelector: { pool: 'a' } });
    expect(ruleOnRevision(revision(moved.replace('{"pool":"a"}', '"a"')))).to.equal(undefined);
  });

  it('is none where a part is missing or not ours', () => {
    const text = publishedRuleText(wanted, undefined, 7);
    expect(ruleOnRevision({})).to.equal(undefined);
    expect(ruleOnRevision({ ...revision(text), labels: {} })).to.equal(undefined);
    for (const key of ['profile', 'priority', 'since', 'creationTimestamp']) {
      const parsed = JSON.parse(text) as Record<string, unknown>;
      expect(ruleOnRevision(revision(JSON.stringify({ ...parsed, [key]: undefined }))), key).to.equal(undefined);
    }
    for (const spoilt of ['', '{', 'null', '"x"', '[]']) expect(ruleOnRevision(revision(spoilt))).to.equal(undefined);
  });
});
