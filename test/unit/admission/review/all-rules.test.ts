import { expect } from 'chai';
import { ALL_RULES } from '../../../../src/admission/review/all-rules.ts';
import { OBJECT_RULES, severityOf } from '../../../../src/admission/review/object-rules.ts';

describe('ALL_RULES', () => {
  it('each has an id of its own and a reason in one line', () => {
    expect(new Set(ALL_RULES.map(({ id }) => id)).size).to.equal(ALL_RULES.length);
    for (const { id, reason } of ALL_RULES) {
      expect(id).to.match(/^[a-z]+(-[a-z]+)*$/);
      expect(reason).to.match(/^[^\n|]+\.$/);
    }
  });

  it('says of each object rule how severe it is', () => {
    for (const { id, severity } of OBJECT_RULES) expect(severityOf(id)).to.equal(severity);
  });
});
