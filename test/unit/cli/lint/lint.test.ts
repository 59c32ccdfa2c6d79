import { expect } from 'chai';
import type { TrialOutcome } from '../../../../src/admission/review/trial.ts';
import { compileNothing, compileReport } from '../../../../src/cli/lint/compile-inputs.ts';
import { readDocuments } from '../../../../src/cli/lint/documents.ts';
import { judgeInput, pathOf, type JudgedInput } from '../../../../src/cli/lint/judge-input.ts';
import { lint, type CompileReport } from '../../../../src/cli/lint/lint.ts';
import { compareVersions, isOlderParser, unknownToOlderParser } from '../../../../src/cli/lint/old-parser.ts';
import { exitCode, type LintResult } from '../../../../src/cli/lint/report.ts';

const RULES = 'file,\n      signal,';

interface Written {
  name?: string;
  profile?: string;
  spec?: string;
}

function object({ name = 'a', profile = 'web', spec = '' }: Written = {}): string {
  return `apiVersion: apparmor-operator.dev/v1alpha1
kind: AppArmorProfile
metadata:
  name: ${name}
spec:
${spec === '' ? '' : `  ${spec}\n`}  policy: |
    abi <abi/3.0>,
    profile ${profile} {
      ${RULES}
    }
`;
}

function lintTexts(...texts: readonly string[]): Promise<LintResult> {
  const files = texts.map((text, index) => ({
    file: `${index}.yaml`,
    documents: readDocuments(`${index}.yaml`, text),
  }));
  return lint(files, compileNothing('not here'));
}

function rules({ reports }: LintResult): string[][] {
  return reports.map(({ findings }) =>
    findings.map(({ rule, severity, fileLine, line }) => `${severity} ${rule} ${fileLine} ${line ?? '-'}`),
  );
}

describe('lint', () => {
  it('finds nothing wrong with what is right, and says what the kernel calls it', async () => {
    const { reports } = await lintTexts(object());
    expect(reports).to.deep.equal([
      { file: '0.yaml', object: 'a', profiles: ['web'], findings: [], compile: 'skipped', compileSkipped: 'not here' },
    ]);
  });

  it('gives each finding the line in the text and in the file', async () => {
    const text = object().replace('signal,', 'signal');
    const [report] = (await lintTexts(text)).reports;
    expect(report?.findings[0]).to.deep.include({
      rule: 'unreadable',
      field: 'policy',
      line: 4,
      fileLine: 10,
      fileColumn: 7,
    });
    expect(report).to.include({ compile: 'skipped', compileSkipped: 'a rule refuses it already' });
  });

  it('names profiles with their children, once for all variants', async () => {
    const variant =
      'variants: [{nodeSelector: {a: b}, policy: "abi <abi/3.0>,\\nprofile web { file, signal, ^h { file, } }"}]';
    const text = object({ spec: variant }).replace('signal,', 'signal,\n      profile /c { file, }');
    expect((await lintTexts(text)).reports[0]?.profiles).to.deep.equal(['web', 'web///c', 'web//h']);
  });

  it('gives a variant its own lines', async () => {
    const variant = 'variants:\n  - nodeSelector: {a: b}\n    policy: |\n      profile other { file, signal, }';
    const [report] = (await lintTexts(object({ spec: variant }))).reports;
    expect(report?.findings.map(({ rule, field, fileLine }) => [rule, field, fileLine])).to.deep.equal([
      ['variant-names', 'variants[0].policy', 8],
      ['no-abi', 'variants[0].policy', 8],
    ]);
  });

  it('reports what the schema forbids, and goes on where it can', async () => {
    const result = await lintTexts(
      object({ spec: 'nodeSelectr: {}' }),
      object({ spec: 'mode: 1' }),
      'kind: AppArmorProfile\n',
    );
    expect(rules(result)).to.deep.equal([
      ['error schema 6 -'],
      ['error schema 6 -'],
      ['error schema 1 -', 'error schema 1 -', 'error schema 1 -'],
    ]);
    expect(result.reports.map(({ profiles }) => profiles)).to.deep.equal([['web'], [], []]);
    expect(exitCode(result, false)).to.equal(1);
  });

  it('takes null for absent, as the API server does', async () => {
    expect(rules(await lintTexts(object({ spec: 'mode: null' })))).to.deep.equal([[]]);
  });

  const names: [string, string, boolean][] = [
    ['Web', '  name: Web', false],
    ['a label too long', `  name: ${'a'.repeat(254)}`, false],
    ['none', '  labels: {}', false],
    ['a number', '  name: 1', false],
    ['dots', '  name: a.b-c', true],
    ['one that the server makes', '  generateName: web-', true],
  ];
  for (const [title, written, right] of names) {
    it(`${right ? 'accepts' : 'refuses'} as the name of an object: ${title}`, async () => {
      const result = await lintTexts(object().replace('  name: a', written));
      expect(result.reports[0]?.findings).to.have.length(right ? 0 : 1);
    });
  }

  it('refuses another version of the API', async () => {
    const [report] = (await lintTexts(object().replace('v1alpha1', 'v2'))).reports;
    expect(report?.findings[0]?.message).to.match(/apiVersion must be .*v1alpha1, not apparmor-operator.dev\/v2/);
  });

  it('goes by the flags of the object', async () => {
    expect(rules(await lintTexts(object({ profile: '/bin/x' })))[0]).to.deep.equal(['error host-attachment 8 2']);
    expect(rules(await lintTexts(object({ profile: '/bin/x', spec: 'allowHostAttachment: true' })))[0]).to.deep.equal(
      [],
    );
  });

  it('keeps what could not be read, and what was passed over', async () => {
    const result = await lintTexts(object(), 'kind: ConfigMap\n---\nnothing\n');
    expect(result).to.deep.include({
      ignored: 1,
      problems: [
        {
          file: '1.yaml',
          message: 'this document is no Kubernetes object: it has no apiVersion and kind',
          position: { line: 3, column: 1 },
        },
      ],
    });
    expect(exitCode(result, false)).to.equal(2);
  });

  it('keeps the order of the input, however long each takes', async () => {
    const texts = Array.from({ length: 9 }, (_, index) => object({ name: `n${index}`, profile: `p${index}` }));
    const documents = readDocuments('a.yaml', texts.join('---\n'));
    const waiting: (() => void)[] = [];
    const done = lint([{ file: 'a.yaml', documents }], (): Promise<CompileReport> => {
      const { promise, resolve } = Promise.withResolvers<CompileReport>();
      waiting.push(() => resolve({ compile: 'ok', findings: [] }));
      // The later of the two that run at once is answered first.
      if (waiting.length === 2 || texts.length % 2 === 1) setImmediate(() => waiting.pop()?.());
      return promise;
    });
    expect((await done).reports.map(({ object }) => object)).to.deep.equal(texts.map((_, index) => `n${index}`));
  });
});

describe('names that several objects define', () => {
  it('belong to the first', async () => {
    const result = await lintTexts(object({ name: 'a' }), object({ name: 'b' }), object({ name: 'c' }));
    expect(rules(result)).to.deep.equal([[], ['error name-owned 8 2'], ['error name-owned 8 2']]);
    expect(result.reports[1]?.findings[0]?.message).to.equal(
      'the profile web belongs to AppArmorProfile a (0.yaml, line 1)',
    );
  });

  const shared: [string, readonly string[]][] = [
    ['other names', [object({ name: 'a' }), object({ name: 'b', profile: 'other' })]],
    ['two versions of one object', [object({ name: 'a' }), object({ name: 'a' })]],
    [
      'other nodes',
      [
        object({ name: 'a', spec: 'nodeSelector: {os: debian}' }),
        object({ name: 'b', spec: 'nodeSelector: {os: ubuntu}' }),
      ],
    ],
  ];
  for (const [title, texts] of shared) {
    it(`are none: ${title}`, async () => {
      expect(rules(await lintTexts(...texts))).to.deep.equal([[], []]);
    });
  }

  it('are not those of objects that are refused', async () => {
    const result = await lintTexts(object({ name: 'a', spec: 'conflictPolicy: No' }), object({ name: 'b' }));
    expect(rules(result)[1]).to.deep.equal([]);
  });

  it('are not those of policy files', async () => {
    const policy = 'abi <abi/3.0>,\nprofile web { file, signal, }\n';
    const files = ['x', 'y'].map((file) => ({ file, documents: readDocuments(file, policy) }));
    expect(rules(await lint(files, compileNothing('')))).to.deep.equal([[], []]);
  });

  it('are found among thousands in moments', async () => {
    const texts = Array.from({ length: 2000 }, (_, index) => object({ name: `n${index}` }).replace('kind', '# \nkind'));
    const start = performance.now();
    const result = await lintTexts(texts.join('---\n'));
    expect(rules(result).filter((found) => found.length === 1)).to.have.length(1999);
    expect(performance.now() - start).to.be.lessThan(20_000);
  }).timeout(30_000);
});

function refused(message: string, line?: number): TrialOutcome {
  const position = line === undefined ? {} : { position: { line, column: 1 } };
  return {
    kind: 'refused',
    errors: [
      { rule: 'compile-failed', severity: 'error', field: 'policy', message, remedy: 'correct it', ...position },
    ],
  };
}

describe('what compiling showed', () => {
  const judged = ((): JudgedInput => {
    const [input] = readDocuments('a.yaml', object()).inputs;
    if (input === undefined) throw new Error('there is an object in this');
    return judgeInput(input);
  })();

  it('is nothing to say if it passed', () => {
    expect(compileReport(judged, { kind: 'passed' }, '4.1.0')).to.deep.equal({ compile: 'ok', findings: [] });
  });

  it('is a note if it could not be tried', () => {
    expect(compileReport(judged, { kind: 'unavailable', message: 'no memory' }, '4.1.0')).to.deep.equal({
      compile: 'skipped',
      compileSkipped: 'no memory',
      findings: [],
      note: 'not compiled: no memory',
    });
  });

  it('is a warning if it takes too long for a review', () => {
    const { compile, findings } = compileReport(judged, { kind: 'unfinished', why: 'slow' }, '4.1.0');
    expect(compile).to.equal('slow');
    expect(findings[0]).to.include({ rule: 'compile-unfinished', severity: 'warning', fileLine: 6 });
  });

  it('is an error, with the line in the file, if the parser refuses it', () => {
    const { compile, findings } = compileReport(judged, refused('syntax error', 3), '4.1.0');
    expect(compile).to.equal('failed');
    expect(findings[0]).to.include({ severity: 'error', message: 'syntax error', line: 3, fileLine: 9 });
    expect(findings[0]?.remedy).to.equal('correct it');
  });

  it('says which parser it was if that is older than the operator’s', () => {
    const { compile, findings } = compileReport(judged, refused('syntax error', 3), '3.0.8');
    expect(compile).to.equal('failed');
    expect(findings[0]?.message).to.equal('syntax error (apparmor_parser 3.0.8)');
    expect(findings[0]?.remedy).to.match(/^correct it; the operator has apparmor_parser 4\.1: .* --parser$/);
  });

  it('is not known where only the parser is too old', () => {
    const report = compileReport(judged, refused("Could not open 'abi/4.0': No such file", 1), '3.0.8');
    expect(report).to.include({ compile: 'skipped' });
    expect(report.findings).to.deep.equal([]);
    expect(report.note).to.match(/apparmor_parser 3\.0\.8 does not know 'abi\/4\.0'/);
  });
});

describe('what an older parser does not know', () => {
  const cases: [string, string | undefined][] = [
    ['  userns,', 'userns'],
    ['profile f { audit deny userns create, }', 'userns'],
    ['  mqueue (read) type=posix /q,', 'mqueue'],
    ['profile f { file, io_uring, }', 'io_uring'],
    ['profile f { allow all, }', 'all'],
    ['  priority=5 /a r,', 'priority'],
    ['  network inet tcp port=443,', 'port'],
    ['  network inet peer=(ip=10.0.0.1),', 'ip'],
    ['  /all r', undefined],
    ['  network inet tcp', undefined],
    ['  allowed,', undefined],
    ['  # userns,', undefined],
  ];
  for (const [rule, expected] of cases) {
    it(`${expected ?? 'nothing'} in ${rule.trim()}`, () => {
      const text = `profile a {\n${rule}\n`;
      expect(unknownToOlderParser({ message: 'syntax error, x', line: 2, text })).to.equal(expected);
    });
  }

  it('is only what a syntax error is about', () => {
    const text = 'userns,';
    expect(unknownToOlderParser({ message: 'syntax error', line: undefined, text })).to.equal(undefined);
    expect(unknownToOlderParser({ message: 'conflicting x modifiers', line: 1, text })).to.equal(undefined);
    expect(unknownToOlderParser({ message: 'syntax error', line: 9, text })).to.equal(undefined);
  });

  it('depends on versions as numbers', () => {
    expect(['4.10', '4.2', '3.0.8', '4'].sort(compareVersions)).to.deep.equal(['3.0.8', '4', '4.2', '4.10']);
    expect(['3.0.8', '4.0.3', '4.1.0~beta1', '4.1.0', '5.0.2'].filter(isOlderParser)).to.deep.equal(['3.0.8', '4.0.3']);
  });
});

describe('the path of a field', () => {
  const cases: [string, readonly (string | number)[]][] = [
    ['policy', ['policy']],
    ['variants[12].policy', ['variants', 12, 'policy']],
    ['pods.selector.matchLabels["a.b/c"]', ['pods', 'selector', 'matchLabels', 'a.b/c']],
    ['pods.selector.matchLabels[a b]', ['pods', 'selector', 'matchLabels', 'a b']],
  ];
  for (const [field, expected] of cases) it(field, () => expect(pathOf(field)).to.deep.equal(expected));
});
