import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { compilePolicy, parserVersion, type CompileResult } from '../../../src/policy/compile.ts';
import { readCompiledProfiles } from '../../../src/policy/compiled.ts';
import { reviewPolicy } from '../../../src/policy/rules.ts';
import { scanPolicy } from '../../../src/policy/scan.ts';
import { assertParserInstalled, GENEROUS, INSTALLED } from './installed-parser.ts';
import { READABLE } from './policy-texts.ts';
import { readInput } from './read-input.ts';

interface Expected {
  /** `rule line` of each finding. */
  findings?: readonly string[];
  /** Top-level names. */
  profiles?: readonly string[];
  /** What the parser says: from which major version on it compiles, or why and where it does not. */
  compiles: number | string;
}

/** Every file of test/inputs/policies, as it is without allowHostAttachment. */
const CASES: Readonly<Record<string, Expected>> = {
  all: { compiles: 4 },
  alternations: { profiles: ['alternations'], compiles: 3 },
  child: { profiles: ['parent'], compiles: 3 },
  'child-paths': { profiles: ['dnsmasq-addon'], compiles: 3 },
  'comment-at-end': { compiles: 3 },
  'complain-with-deny': { findings: ['deny-in-complain 3'], compiles: 3 },
  cond: { compiles: 3 },
  'deny-other': { compiles: 3 },
  'deny-write': { profiles: ['k8s-apparmor-example-deny-write'], compiles: 3 },
  'dfa-explosion': { compiles: 'CompileTimeout' },
  dup: { findings: ['duplicate-profile 2'], profiles: ['f', 'f'], compiles: 'CompileFailed 2' },
  'flags-multiline': { profiles: ['good'], compiles: 3 },
  'inc-abs': { findings: ['include-path 1'], compiles: 'CompileFailed' },
  'inc-dotdot': { findings: ['include-path 1'], compiles: 'CompileFailed' },
  'inc-ifexists-missing': { compiles: 3 },
  'inc-missing': { compiles: 'CompileFailed 1' },
  'k8s-nginx': { profiles: ['k8s-nginx'], compiles: 3 },
  'misc-rules': { compiles: 3 },
  'missing-comma': { findings: ['unreadable 2'], compiles: 'CompileFailed 3' },
  'mq-iouring': { compiles: 4 },
  'name-253': { profiles: ['a'.repeat(253)], compiles: 3 },
  'name-4000': { findings: ['hostile-name 1'], profiles: ['a'.repeat(4000)], compiles: 3 },
  'name-dash': { findings: ['hostile-name 1'], profiles: ['-rf'], compiles: 3 },
  'name-dotdot': { findings: ['hostile-name 1'], profiles: ['../../etc/cron.d/x'], compiles: 3 },
  'name-empty': { findings: ['hostile-name 1'], profiles: [''], compiles: 'CompileFailed 1' },
  'name-escaped-newline': { findings: ['hostile-name 1'], profiles: ['a\\nb'], compiles: 3 },
  'name-quoted-space': { profiles: ['my app'], compiles: 3 },
  'name-raw-newline': { findings: ['hostile-name 1'], profiles: ['a\nb'], compiles: 3 },
  'name-spoof-enforce': { findings: ['hostile-name 1'], profiles: ['docker-default (enforce)'], compiles: 3 },
  'name-stack': { findings: ['hostile-name 1'], profiles: ['foo//&bar'], compiles: 3 },
  'name-unquoted-space': { findings: ['unreadable 1'], profiles: [], compiles: 'CompileFailed 1' },
  'nested-brace': { compiles: 3 },
  netport: { compiles: 4 },
  'no-file-rule': { compiles: 3 },
  'no-space-before-brace': { findings: ['unreadable 2'], profiles: [], compiles: 'CompileFailed 2' },
  'nokeyword-noslash': { findings: ['unreadable 1'], profiles: [], compiles: 'CompileFailed 1' },
  ns: { findings: ['hostile-name 1'], profiles: [':k8s://foo'], compiles: 3 },
  ns2: { findings: ['hostile-name 1'], profiles: [':k8s:foo'], compiles: 3 },
  'path-attach': { findings: ['host-attachment 1'], profiles: ['my-nginx'], compiles: 3 },
  'path-nokeyword': { findings: ['host-attachment 1'], profiles: ['/usr/sbin/nginx'], compiles: 3 },
  'quoted-name-nospace': { profiles: ['good'], compiles: 3 },
  slug: { findings: ['unreadable 2', 'unrendered-template 2'], profiles: [], compiles: 'CompileFailed 2' },
  'two-top': { findings: ['reserved-name 2'], profiles: ['myapp', 'docker-default'], compiles: 3 },
  'unconfined-name': { findings: ['reserved-name 1'], profiles: ['unconfined'], compiles: 3 },
  'undefined-var': { compiles: 'CompileFailed 1' },
  'unicode-name': { profiles: ['приложение'], compiles: 3 },
  'userns-abi4': { findings: ['host-attachment 3'], profiles: ['/usr/bin/rootlesskit'], compiles: 4 },
  'userns-noabi': { findings: ['host-attachment 1'], profiles: ['/usr/bin/nsjail'], compiles: 4 },
  'var-name': { findings: ['variable-name 3', 'host-attachment 3'], profiles: ['@{n}'], compiles: 3 },
  'var-only-attach': { findings: ['unreadable 2'], profiles: [], compiles: 'CompileFailed 2' },
  xconflict: { compiles: 'CompileFailed 1' },
};

describe('policies from the field', function cases() {
  this.timeout(60_000);
  let major: number;

  before(async () => {
    assertParserInstalled();
    major = Number.parseInt(await parserVersion(INSTALLED), 10);
  });

  it('are all in the table', () => {
    const files = readdirSync(new URL('../../inputs/policies/', import.meta.url));
    expect(files.filter((file) => file !== 'README.md')).to.have.members(Object.keys(CASES));
  });

  for (const [name, { findings = [], profiles, compiles }] of Object.entries(CASES)) {
    describe(name, () => {
      const text = readInput(name);

      it(findings.length === 0 ? 'passes the review' : `is found to break ${findings.join(', ')}`, () => {
        const review = reviewPolicy({ text, allowHostAttachment: false });
        expect(review.findings.map(({ rule, position }) => `${rule} ${position?.line}`)).to.deep.equal(findings);
        expect(review.profiles).to.deep.equal(profiles ?? ['f']);
      });

      it(
        typeof compiles === 'number' ? 'compiles to the profiles that the review names' : `does not compile`,
        async () => {
          const expected = typeof compiles === 'number' && compiles > major ? 'CompileFailed' : compiles;
          const limits = { ...GENEROUS, cpuSeconds: compiles === 'CompileTimeout' ? 1 : GENEROUS.cpuSeconds };
          const result = await compilePolicy({ text, limits }, INSTALLED);
          if (result.kind === 'failed') {
            expect(result.line === undefined ? result.reason : `${result.reason} ${result.line}`).to.match(
              new RegExp(`^${expected}`),
            );
            return;
          }
          expect(expected).to.be.a('number');
          const refused = findings.some((finding) => /^(hostile|variable)-name/.test(finding));
          if (!refused) expectSameNames(text, result.binary);
        },
      );
    });
  }

  for (const [title, text, , since = 3] of READABLE) {
    it(`${title}: the parser compiles what the scan names`, async () => {
      const result = await compilePolicy({ text, limits: GENEROUS }, INSTALLED);
      if (since > major) return expectOtherwise(text, result);
      if (result.kind === 'failed') throw new Error(`${result.reason}: ${result.message}`);
      expectSameNames(text, result.binary);
    });
  }

  it('machine-generated: a policy of 150 KB with a dotted name', async () => {
    const name = 'registry.k8s.io.ingress-nginx.controller-v1.11.2';
    const rules = Array.from({ length: 2400 }, (_, n) => `  /opt/bitnami/tomcat/lib/part${n % 97}/class-${n}.jar mr,`);
    const text = `profile ${name} flags=(attach_disconnected) {\n${rules.join('\n')}\n${'  # generated\n'.repeat(3000)}}\n`;
    expect(text.length).to.be.above(150_000);
    const review = reviewPolicy({ text, allowHostAttachment: false });
    expect(review).to.deep.include({ profiles: [name], findings: [] });
    const result = await compilePolicy({ text, limits: GENEROUS }, INSTALLED);
    if (result.kind === 'failed') throw new Error(`${result.reason}: ${result.message}`);
    expectSameNames(text, result.binary);
  });
});

function expectSameNames(text: string, binary: Buffer): void {
  const scanned = scanPolicy(text).profiles.map(({ name }) => name);
  expect(namesIn(binary)).to.have.members(scanned);
}

/** Older parsers refuse the text, or name grandchildren differently. */
function expectOtherwise(text: string, result: CompileResult): void {
  if (result.kind === 'failed') expect(result.reason).to.equal('CompileFailed');
  else expect(namesIn(result.binary)).to.not.have.members(scanPolicy(text).profiles.map(({ name }) => name));
}

function namesIn(binary: Buffer): readonly string[] {
  return readCompiledProfiles(binary).map(({ name }) => name);
}
