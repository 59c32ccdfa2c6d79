import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { compilePolicy, type CompilerPaths } from '../../../src/policy/compile.ts';
import { readCompiledProfiles } from '../../../src/policy/compiled.ts';
import { reviewPolicy } from '../../../src/policy/rules.ts';
import { scanPolicy } from '../../../src/policy/scan.ts';
import { INPUT_OUTCOMES } from '../../inputs/outcomes.ts';
import { GENEROUS } from './installed-parser.ts';
import { READABLE } from './policy-texts.ts';
import { readInput } from './read-input.ts';
import { FETCH_MS, trixieCompiler } from './trixie.ts';

/** Top-level names of test/inputs/policies, where it is not the one name `f`. */
const PROFILES: Readonly<Record<string, readonly string[]>> = {
  alternations: ['alternations'],
  child: ['parent'],
  'child-hostile-names': ['parent'],
  'child-paths': ['dnsmasq-addon'],
  'deny-write': ['k8s-apparmor-example-deny-write'],
  dup: ['f', 'f'],
  'flags-multiline': ['good'],
  'k8s-nginx': ['k8s-nginx'],
  'name-244': ['a'.repeat(244)],
  'name-253': ['a'.repeat(253)],
  'name-4000': ['a'.repeat(4000)],
  'name-dash': ['-rf'],
  'name-dotdot': ['../../etc/cron.d/x'],
  'name-empty': [''],
  'name-escaped-newline': ['a\\nb'],
  'name-quoted-space': ['my app'],
  'name-raw-newline': ['a\nb'],
  'name-spoof-enforce': ['docker-default (enforce)'],
  'name-stack': ['foo//&bar'],
  'name-unquoted-space': [],
  'no-findings': ['no-findings'],
  'no-space-before-brace': [],
  'nokeyword-noslash': [],
  ns: [':k8s://foo'],
  ns2: [':k8s:foo'],
  'path-attach': ['my-nginx'],
  'path-nokeyword': ['/usr/sbin/nginx'],
  'quoted-name-nospace': ['good'],
  'reserved-names': ['buildkit-default', 'containers-default-0.57.4', 'kubearmor-x', 'snap.lxd.daemon', 'lxd-c1'],
  slug: [],
  'two-top': ['myapp', 'docker-default'],
  'unconfined-name': ['unconfined'],
  'unicode-name': ['приложение'],
  'userns-abi4': ['/usr/bin/rootlesskit'],
  'userns-noabi': ['/usr/bin/nsjail'],
  'var-name': ['@{n}'],
  'var-only-attach': [],
};

describe('policies from the field', function cases() {
  this.timeout(60_000);
  let compiler: CompilerPaths;

  before(async function fetch() {
    this.timeout(FETCH_MS);
    compiler = await trixieCompiler();
  });

  it('are all in the table of outcomes', () => {
    const files = readdirSync(new URL('../../inputs/policies/', import.meta.url));
    expect(files.filter((file) => file !== 'README.md')).to.have.members(INPUT_OUTCOMES.map(({ input }) => input));
  });

  for (const { input, outcome, rules, warnings, line, compile, parserLine } of INPUT_OUTCOMES) {
    describe(input, () => {
      const text = readInput(input);

      it(`is ${outcome} by the review`, () => {
        const { findings, profiles } = reviewPolicy({ text, allowHostAttachment: false });
        const errors = findings.filter(({ severity }) => severity === 'error');
        const warned = findings.filter(({ severity }) => severity === 'warning');
        expect([...new Set(errors.map(({ rule }) => rule))], 'rules').to.deep.equal(rules);
        expect([...new Set(warned.map(({ rule }) => rule))], 'warnings').to.deep.equal(warnings);
        expect(errors[0]?.position?.line, 'line').to.equal(line);
        expect(outcome).to.equal(errors.length > 0 ? 'refused' : 'accepted');
        expect(profiles).to.deep.equal(PROFILES[input] ?? ['f']);
      });

      it(
        compile === 'ok' ? 'compiles, if accepted to the profiles that the review names' : 'does not compile',
        async () => {
          const limits = { ...GENEROUS, cpuSeconds: compile === 'CompileTimeout' ? 1 : GENEROUS.cpuSeconds };
          const result = await compilePolicy({ text, limits }, compiler);
          expect(result.kind === 'failed' ? result.reason : 'ok').to.equal(compile);
          if (result.kind === 'failed') expect(result.line).to.equal(parserLine);
          else if (outcome === 'accepted') expectSameNames(text, result.binary);
        },
      );
    });
  }

  for (const [title, text, , since = 4] of READABLE) {
    it(`${title}: the parser compiles what the scan names`, async () => {
      const result = await compilePolicy({ text, limits: GENEROUS }, compiler);
      if (since > 4) {
        expect(result).to.include({ reason: 'CompileFailed' });
        return;
      }
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
    expect(review.profiles).to.deep.equal([name]);
    expect(review.findings.filter(({ severity }) => severity === 'error')).to.deep.equal([]);
    const result = await compilePolicy({ text, limits: GENEROUS }, compiler);
    if (result.kind === 'failed') throw new Error(`${result.reason}: ${result.message}`);
    expectSameNames(text, result.binary);
  });
});

function expectSameNames(text: string, binary: Buffer): void {
  const compiled = readCompiledProfiles(binary).map(({ name }) => name);
  expect(compiled).to.have.members(scanPolicy(text).profiles.map(({ name }) => name));
}
