import { expect } from 'chai';
import { refusalMessage, warningLines } from '../../../../src/admission/review/answer-text.ts';
import type { TextFinding } from '../../../../src/admission/review/verdict.ts';

function finding(change: Partial<TextFinding> = {}): TextFinding {
  return {
    rule: 'some-rule',
    severity: 'error',
    field: 'policy',
    position: { line: 5, column: 1 },
    message: 'it is wrong',
    remedy: 'make it right',
    ...change,
  };
}

describe('refusalMessage', () => {
  it('says one finding in one line', () => {
    expect(refusalMessage([finding()])).to.equal('line 5: it is wrong (rule some-rule); make it right');
  });

  it('lists several behind their number, and counts beyond ten', () => {
    const lines = refusalMessage(Array.from({ length: 12 }, () => finding({ field: 'variants[0].policy' }))).split(
      '\n',
    );
    expect(lines[0]).to.equal('12 errors, nothing is stored:');
    expect(lines[1]).to.equal('- variants[0].policy, line 5: it is wrong (rule some-rule); make it right');
    expect(lines.at(-1)).to.equal('- and 2 more');
    expect(lines).to.have.length(12);
  });

  it('does not speak of more where there are none', () => {
    expect(refusalMessage([finding(), finding()]).split('\n')).to.have.length(3);
  });
});

describe('warningLines', () => {
  it('has the remedy where it fits, the rule always', () => {
    const long = finding({ message: 'm'.repeat(90), remedy: 'r'.repeat(40) });
    expect(warningLines([finding(), long])).to.deep.equal([
      'line 5: it is wrong; make it right (some-rule)',
      `line 5: ${'m'.repeat(90)} (some-rule)`,
    ]);
  });

  it('says where, as far as it is known', () => {
    const { position: _, ...nowhere } = finding();
    expect(warningLines([{ ...nowhere, field: 'variants[1].policy' }, nowhere])).to.deep.equal([
      'variants[1].policy: it is wrong; make it right (some-rule)',
      'it is wrong; make it right (some-rule)',
    ]);
  });

  it('are of one line each', () => {
    expect(warningLines([finding({ message: 'a\r\n\tb\u0000c' })])[0]).to.equal(
      'line 5: a b c; make it right (some-rule)',
    );
  });

  it('end before the API server cuts them, with the number of the others', () => {
    const lines = warningLines(Array.from({ length: 60 }, () => finding({ message: 'm'.repeat(100) })));
    expect(lines.join('').length).to.be.lessThan(4096);
    expect(lines.at(-1)).to.equal(`${60 - (lines.length - 1)} more warnings`);
  });
});
