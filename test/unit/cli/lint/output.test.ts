import { expect } from 'chai';
import { print } from '../../../../src/cli/lint/output.ts';
import { exitCode, type LintResult, type PlacedFinding, type PolicyReport } from '../../../../src/cli/lint/report.ts';

function finding(over: Partial<PlacedFinding> = {}): PlacedFinding {
  return {
    rule: 'no-abi',
    severity: 'warning',
    field: 'policy',
    line: 2,
    column: 3,
    fileLine: 12,
    fileColumn: 7,
    message: 'what is wrong',
    remedy: 'what to do',
    ...over,
  };
}

function report(file: string, ...findings: PlacedFinding[]): PolicyReport {
  return { file, object: 'a', profiles: ['x', 'x//y'], findings, compile: 'ok' };
}

function result(over: Partial<LintResult> = {}): LintResult {
  return { reports: [], problems: [], notes: [], ignored: 0, ...over };
}

describe('the text output', () => {
  it('has a line for each finding, and a summary for people on standard error', () => {
    const reports = [report('a.yaml', finding(), finding({ severity: 'error', rule: 'dup' })), report('-', finding())];
    expect(print(result({ reports, ignored: 3 }), 'text')).to.deep.equal({
      results:
        'a.yaml:12:7: warning: what is wrong (rule no-abi); what to do\n' +
        'a.yaml:12:7: error: what is wrong (rule dup); what to do\n' +
        '<stdin>:12:7: warning: what is wrong (rule no-abi); what to do\n',
      notes: '2 policies checked: 1 error, 2 warnings; 3 objects of other kinds ignored\n',
    });
  });

  it('says what could not be read, and other notes, on standard error', () => {
    const problems = [
      { file: 'b', message: 'is empty' },
      { file: '-', message: 'no', position: { line: 3, column: 4 } },
    ];
    const { results, notes } = print(result({ problems, notes: [{ file: 'c', message: 'not compiled' }] }), 'text');
    expect(results).to.equal('');
    expect(notes).to.match(
      /^b: is empty\n<stdin>:3:4: no\nc: not compiled\n0 policies checked: 0 errors, 0 warnings\n$/,
    );
  });

  it('does not let the name of a file write lines', () => {
    expect(print(result({ reports: [report('a\nb', finding())] }), 'text').results).to.match(/^a\\u\{a\}b:12:7: /);
  });
});

describe('the JSON output', () => {
  it('is an array in the order of the input, without a summary', () => {
    const reports = [report('b', finding()), report('a')];
    const { results, notes } = print(result({ reports, ignored: 1 }), 'json');
    expect(JSON.parse(results)).to.deep.equal(reports);
    expect(notes).to.equal('');
  });
});

describe('the output for GitHub', () => {
  it('annotates lines of files', () => {
    const reports = [report('a.yaml', finding(), finding({ severity: 'error', rule: 'dup' }))];
    expect(print(result({ reports }), 'github').results).to.equal(
      '::warning file=a.yaml,line=12,col=7,title=AppArmor policy%3A no-abi::what is wrong (rule no-abi); what to do\n' +
        '::error file=a.yaml,line=12,col=7,title=AppArmor policy%3A dup::what is wrong (rule dup); what to do\n',
    );
  });

  it('escapes what could end a property, a message or a command', () => {
    const reports = [report('a,b:c%\n.yaml', finding({ message: '100%\r\n::error::x,y:z' }))];
    expect(print(result({ reports }), 'github').results).to.equal(
      '::warning file=a%2Cb%3Ac%25%0A.yaml,line=12,col=7,title=AppArmor policy%3A no-abi::100%25%0D%0A::error::x,y:z (rule no-abi); what to do\n',
    );
  });

  it('names no file for standard input', () => {
    expect(print(result({ reports: [report('-', finding())] }), 'github').results).to.match(/^::warning title=[^,]+::/);
  });

  it('annotates what could not be read', () => {
    const problems = [{ file: 'a', message: 'is empty' }];
    expect(print(result({ problems }), 'github').results).to.equal('::error file=a,title=unreadable file::is empty\n');
  });
});

describe('the exit code', () => {
  const warned = [report('a', finding())];
  const refused = [report('a', finding(), finding({ severity: 'error' }))];
  const problems = [{ file: 'b', message: 'is empty' }];
  const cases: [string, Partial<LintResult>, boolean, number][] = [
    ['nothing found', {}, false, 0],
    ['a warning', { reports: warned }, false, 0],
    ['a warning, strictly', { reports: warned }, true, 1],
    ['an error', { reports: refused }, false, 1],
    ['a file that could not be read beside an error', { reports: refused, problems }, false, 2],
    ['notes', { notes: problems }, true, 0],
  ];
  for (const [title, over, strict, expected] of cases) {
    it(`is ${expected} for ${title}`, () => expect(exitCode(result(over), strict)).to.equal(expected));
  }
});
