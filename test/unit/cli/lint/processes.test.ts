import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { bundleCli } from '../../../../scripts/bundle.ts';
import { MOST_INPUT_BYTES } from '../../../../src/cli/lint/read-input.ts';
import type { PolicyReport } from '../../../../src/cli/lint/report.ts';
import type { CompilerPaths } from '../../../../src/policy/compile.ts';
import { INPUT_OUTCOMES, type InputOutcome } from '../../../inputs/outcomes.ts';
import { FETCH_MS, trixieCompiler } from '../../policy/trixie.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const POLICIES = join(ROOT, 'test/inputs/policies');
const TRIAL_RULES = /^compile/;

/** The oldest Node.js of this machine: the image's is newer than what people have. */
const NODE = ['/usr/bin/node', '/usr/local/bin/node', process.execPath].find((path) => existsSync(path)) ?? '';

let folder = '';
let cli = '';
let compiler: CompilerPaths;

before(async function () {
  this.timeout(FETCH_MS);
  folder = await mkdtemp(join(tmpdir(), 'lint-test-'));
  cli = join(folder, 'kubectl-apparmor.mjs');
  await bundleCli({ entry: join(ROOT, 'src/cli/main.ts'), output: cli });
  compiler = await trixieCompiler();
});
after(() => rm(folder, { recursive: true }));

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  args: readonly string[];
  stdin?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
}

function start({ args, env = {}, cwd = folder }: RunOptions) {
  const child = spawn(NODE, [cli, ...args], { cwd, env: { PATH: '/usr/bin:/bin', TMPDIR: folder, ...env } });
  // Of a child that does not read its input.
  child.stdin.on('error', () => {});
  return child;
}

async function run(options: RunOptions): Promise<Run> {
  const child = start(options);
  child.stdin.end(options.stdin ?? '');
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

/** `lint` with the operator's parser. */
function lint(args: readonly string[], options: Omit<RunOptions, 'args'> = {}): Promise<Run> {
  const { parser, basePath, features } = compiler;
  const flags = ['--parser', parser, '--base', basePath, '--features', features];
  return run({ ...options, args: ['lint', ...flags, ...args] });
}

/** `lint` by the rules alone. */
function check(args: readonly string[], stdin?: string | Buffer): Promise<Run> {
  return run({ args: ['lint', '--no-compile', ...args], ...(stdin === undefined ? {} : { stdin }) });
}

function reportsOf({ stdout }: Run): PolicyReport[] {
  return JSON.parse(stdout) as PolicyReport[];
}

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(join(folder, name), content);
  return name;
}

function object(name: string, policy: string): string {
  const indented = policy.replaceAll(/^(?=.)/gm, '    ');
  return `apiVersion: apparmor-operator.dev/v1alpha1\nkind: AppArmorProfile\nmetadata: {name: ${name}}\nspec:\n  policy: |\n${indented}`;
}

const GOOD = 'abi <abi/4.0>,\nprofile good {\n  file,\n  signal,\n}\n';
const WARNED = 'profile warned {\n  file,\n  signal,\n}\n';
const REFUSED = 'abi <abi/4.0>,\nprofile refused {\n  file\n}\n';

function rulesOf(report: PolicyReport | undefined, severity: string): string[] {
  const found = report?.findings.filter((each) => each.severity === severity && !TRIAL_RULES.test(each.rule)) ?? [];
  return [...new Set(found.map(({ rule }) => rule))];
}

function compiled(report: PolicyReport | undefined): string {
  const trial = report?.findings.find(({ rule }) => TRIAL_RULES.test(rule));
  return [report?.compile, trial?.severity, trial?.rule, trial?.line]
    .filter((part) => part !== undefined && part !== null)
    .join(' ');
}

function expectedCompile({ outcome, compile, parserLine }: InputOutcome): string {
  if (outcome === 'refused') return 'skipped';
  if (compile === 'ok') return 'ok';
  if (compile === 'CompileTimeout') return 'slow warning compile-unfinished';
  return `failed error compile-failed${parserLine === undefined ? '' : ` ${parserLine}`}`;
}

/** A machine with these programs alone. */
async function machineWith(name: string, programs: Readonly<Record<string, string>>): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  for (const [program, script] of Object.entries(programs)) {
    await writeFile(join(path, program), `#!/bin/sh\n${script}\n`);
    await chmod(join(path, program), 0o755);
  }
  return path;
}

/** The beginning of a program that says that it is apparmor_parser. */
function version(number: string): string {
  return `[ "$1" = --version ] && echo "AppArmor parser version ${number}" && exit`;
}

async function untilWritten(path: string): Promise<string> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    const content = await readFile(path, 'utf8').catch(() => '');
    if (content.endsWith('\n')) return content.trim();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${path} was not written`);
}

describe('kubectl-apparmor lint, as a process', function () {
  this.timeout(60_000);

  describe('on every text of test/inputs/policies', () => {
    let reports: PolicyReport[] = [];
    before(async function () {
      this.timeout(120_000);
      const inputs = INPUT_OUTCOMES.map(({ input }) => input);
      const done = await lint(['-o', 'json', ...inputs], { cwd: POLICIES });
      expect(done).to.deep.include({ code: 1, stderr: '' });
      reports = reportsOf(done);
      expect(reports.map(({ file }) => file)).to.deep.equal(inputs);
    });

    for (const [index, outcome] of INPUT_OUTCOMES.entries()) {
      it(`${outcome.input}: ${outcome.outcome}, ${outcome.compile}`, () => {
        const report = reports[index];
        expect({ rules: rulesOf(report, 'error'), warnings: rulesOf(report, 'warning') }).to.deep.equal({
          rules: outcome.rules,
          warnings: outcome.warnings,
        });
        const line = report?.findings.find(({ severity }) => severity === 'error')?.line ?? undefined;
        if (outcome.line !== undefined) expect(line).to.equal(outcome.line);
        expect(compiled(report)).to.equal(expectedCompile(outcome));
      });
    }
  });

  it('leaves nothing behind', async () => {
    const before = await readdir(folder);
    await lint(['-o', 'json', join(POLICIES, 'deny-write')]);
    expect(await readdir(folder)).to.deep.equal(before);
  });

  describe('the input', () => {
    it('may be several documents, a List, JSON, standard input and policy files, in this order', async () => {
      const documents = `${object('a', GOOD)}---\nkind: ConfigMap\n---\n${object('b', WARNED)}`;
      const list = `apiVersion: v1\nkind: List\nitems:\n- ${object('c', REFUSED).replaceAll('\n', '\n  ')}`;
      const json = JSON.stringify({
        apiVersion: 'apparmor-operator.dev/v1alpha1',
        kind: 'AppArmorProfile',
        metadata: { name: 'd' },
        spec: { policy: GOOD.replace('good', 'other').replace('signal,', 'signal') },
      });
      const args = [await file('l.yaml', list), '-', await file('p', GOOD), await file('d.json', json)];
      const done = await lint(['-o', 'json', ...args], { stdin: documents });
      expect(done).to.include({ code: 1, stderr: '' });
      expect(
        reportsOf(done).map(({ file, object, profiles, findings, compile }) => [
          `${file} ${object} ${profiles.join()} ${compile}`,
          ...findings.map(({ rule, line, fileLine, fileColumn }) => `${rule} ${line}: ${fileLine}:${fileColumn}`),
        ]),
      ).to.deep.equal([
        ['l.yaml c refused skipped', 'unreadable 3: 11:9'],
        ['- a good ok'],
        ['- b warned ok', 'no-abi null: 18:3'],
        ['p null good ok'],
        ['d.json d other skipped', 'unreadable 4: 1:159'],
      ]);
    });

    it('of another kind is counted for people only', async () => {
      const other = await file('other.yaml', 'kind: ConfigMap\n---\nkind: Secret\n');
      expect(await check([other])).to.deep.equal({
        code: 0,
        stdout: '',
        stderr: '0 policies checked: 0 errors, 0 warnings; 2 objects of other kinds ignored\n',
      });
      expect(await check(['-o', 'json', other])).to.deep.equal({ code: 0, stdout: '[]\n', stderr: '' });
    });

    const unreadable: [string, () => string | Buffer, RegExp][] = [
      ['is neither', () => 'hello\n', /^x: is neither YAML or JSON .* nor an AppArmor policy/],
      ['is empty', () => '', /^x: is empty/],
      ['is no text', () => Buffer.from([0xff, 0xfe, 0]), /^x: is not UTF-8 text/],
      ['is too large', () => Buffer.alloc(MOST_INPUT_BYTES + 1, 'profile '), /^x: is larger than 16 MiB/],
    ];
    for (const [title, content, expected] of unreadable) {
      it(`that ${title} is refused with exit code 2, and others are still checked`, async () => {
        const { code, stdout, stderr } = await check([await file('x', content()), await file('r', REFUSED)]);
        expect({ code, stderr }).to.deep.include({ code: 2 });
        expect(stderr).to.match(expected);
        expect(stdout).to.match(/^r:3:3: error: .* \(rule unreadable\); /);
        const annotated = await check(['-o', 'github', 'x']);
        expect(annotated.stdout).to.match(/^::error file=x,title=unreadable file::is /);
      });
    }

    it('that is not there, or a folder, is refused', async () => {
      const { code, stderr } = await check(['nothing', '.']);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^nothing: cannot be read: there is no such file\n\.: cannot be read: it is a folder/);
    });

    it('on standard input is bounded, too', async () => {
      const { code, stderr } = await check(['-'], Buffer.alloc(MOST_INPUT_BYTES + 1, 'profile '));
      expect(code).to.equal(2);
      expect(stderr).to.match(/^<stdin>: is larger than 16 MiB/);
    });
  });

  describe('the exit code', () => {
    const cases: [string, readonly string[], string, number][] = [
      ['0 for nothing to say', [], GOOD, 0],
      ['0 for warnings', [], WARNED, 0],
      ['1 for warnings, strictly', ['--strict'], WARNED, 1],
      ['0 for nothing to say, strictly', ['--strict'], GOOD, 0],
      ['1 for errors', [], REFUSED, 1],
    ];
    for (const [title, args, policy, expected] of cases) {
      it(`is ${title}`, async () => expect((await check([...args, '-'], policy)).code).to.equal(expected));
    }

    it('is 2 for wrong usage, with the usage on standard error alone', async () => {
      for (const args of [[], ['--what'], ['-o', 'yaml', 'x'], ['--parser', '/nowhere', 'x'], ['--base', cli, 'x']]) {
        const { code, stdout, stderr } = await run({ args: ['lint', ...args] });
        expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
        expect(stderr).to.match(/\nusage: kubectl apparmor lint/);
      }
      for (const args of [[], ['lnit']]) {
        const { code, stdout, stderr } = await run({ args });
        expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
        expect(stderr).to.match(/\nusage: kubectl apparmor COMMAND/);
      }
    });

    it('is 0 for help and version, on standard output', async () => {
      const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
      expect(await run({ args: ['--version'] })).to.deep.equal({
        code: 0,
        stdout: `kubectl-apparmor ${version}\n`,
        stderr: '',
      });
      for (const args of [['--help'], ['lint', '--help']]) {
        const { code, stdout, stderr } = await run({ args });
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
        expect(stdout).to.match(/^usage: kubectl apparmor/);
      }
    });
  });

  it('writes annotations that point into the file', async () => {
    const { stdout, code } = await check(['-o', 'github', await file('r.yaml', object('r', REFUSED))]);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^::error file=r\.yaml,line=8,col=7,title=AppArmor policy%3A unreadable::[^\n]+\n$/);
  });

  describe('the compiler', () => {
    it('says the line of the text and of the file that it refuses', async () => {
      const text = object('u', GOOD.replace('file,', 'file,\n  owner @{NOPE}/x r,'));
      const done = await lint(['-o', 'json', '-'], { stdin: text });
      expect(done.code).to.equal(1);
      const [report] = reportsOf(done);
      expect(report?.compile).to.equal('failed');
      expect(report?.findings[0]).to.include({ rule: 'compile-failed', severity: 'error', line: 4, fileLine: 9 });
    });

    it('compiles for the mode of the object, each variant', async () => {
      const variant =
        '  variants:\n  - nodeSelector: {a: b}\n    policy: |\n      abi <abi/4.0>,\n      profile good {\n        signal,\n        /x rx,\n        /x Px,\n      }\n';
      const done = await lint(['-o', 'json', '-'], { stdin: `${object('m', GOOD)}  mode: Complain\n${variant}` });
      const [report] = reportsOf(done);
      expect(report?.findings.find(({ severity }) => severity === 'error')).to.include({
        rule: 'compile-failed',
        field: 'variants[0].policy',
      });
    });

    it('need not be installed', async () => {
      // What --base names has no abi file, so that nothing is compiled whatever the machine has in /usr/sbin.
      const empty = await machineWith('empty', {});
      for (const [policy, code] of [
        [GOOD, 0],
        [REFUSED, 1],
      ] as const) {
        const done = await run({ args: ['lint', '-o', 'json', '--base', empty, '-'], stdin: policy });
        expect(done.code).to.equal(code);
        expect(done.stderr).to.match(/^the policies are not compiled, only the rules are applied: /);
        expect(reportsOf(done)[0]?.compile).to.equal('skipped');
        expect(reportsOf(done)[0]?.compileSkipped).to.be.a('string');
      }
    });

    it('is found on the PATH', async () => {
      const path = await machineWith('path', {
        apparmor_parser: `${version('9.9')}; echo "AppArmor parser error, in stock: broken here" >&2; exit 1`,
      });
      const { features, basePath } = compiler;
      const args = ['lint', '-o', 'json', '--base', basePath, '--features', features, '-'];
      const done = await run({ args, stdin: GOOD, env: { PATH: `${path}:/usr/bin:/bin` } });
      expect(reportsOf(done)[0]?.findings[0]).to.include({ rule: 'compile-failed' });
      expect(reportsOf(done)[0]?.findings[0]?.message).to.match(/broken here/);
    });

    it('is named where it is older than the operator’s, and calls nothing wrong that it is too old for', async () => {
      const old = await machineWith('old', {
        apparmor_parser: `${version('3.0.8')}; for file; do :; done
          echo "AppArmor parser error for $file in profile $file at line 3: syntax error, unexpected TOK_ID" >&2; exit 1`,
      });
      const args = ['lint', '-o', 'json', '--parser', join(old, 'apparmor_parser'), '--base', compiler.basePath, '-'];
      const wrong = await run({ args, stdin: GOOD });
      expect(wrong.code).to.equal(1);
      expect(reportsOf(wrong)[0]?.findings[0]?.message).to.match(/\(apparmor_parser 3\.0\.8\)$/);
      const newer = await run({ args, stdin: GOOD.replace('file,', 'userns,').replace('signal,', 'signal, file,') });
      expect(newer.code).to.equal(0);
      expect(newer.stderr).to.equal(
        "-: not compiled: apparmor_parser 3.0.8 does not know 'userns', which the operator's 4.1 does\n".replace(
          '-',
          '<stdin>',
        ),
      );
      expect(reportsOf(newer)[0]).to.include({ compile: 'skipped' });
    });

    it('is refused if it is no apparmor_parser', async () => {
      const other = await machineWith('other', { apparmor_parser: 'echo hello' });
      const { code, stderr } = await run({ args: ['lint', '--parser', join(other, 'apparmor_parser'), '-'] });
      expect(code).to.equal(2);
      expect(stderr).to.match(/^--parser: .*apparmor_parser --version says/);
    });

    it('ends with lint, however that ends', async () => {
      const slow = await machineWith('slow', {
        apparmor_parser: `${version('4.1.0')}; echo $$ >${join(folder, 'slow.pid')}; exec sleep 600`,
      });
      const args = ['lint', '--parser', join(slow, 'apparmor_parser'), '--base', compiler.basePath, '-'];
      const child = start({ args });
      child.stdin.end(GOOD);
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      const pid = await untilWritten(join(folder, 'slow.pid'));
      child.kill('SIGINT');
      expect(await ended).to.equal(130);
      expect(existsSync(`/proc/${pid}`)).to.equal(false);
      expect((await readdir(folder)).filter((name) => name.startsWith('kubectl-apparmor-'))).to.deep.equal([]);
    });
  });

  it('is quiet when its reader goes away', async () => {
    const many = Array.from({ length: 3000 }, (_, index) => object(`n${index}`, WARNED.replace('warned', `p${index}`)));
    const child = start({ args: ['lint', '--no-compile', '-'] });
    const stderr = text(child.stderr);
    child.stdout.once('data', () => child.stdout.destroy());
    child.stdin.end(many.join('---\n'));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    expect(code).to.equal(0);
    expect(await stderr).to.equal('3000 policies checked: 0 errors, 3000 warnings\n');
  });

  it('runs by its own name through a link, as kubectl finds it', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    await symlink(cli, join(bin, 'kubectl-apparmor'));
    const child = spawn(join(bin, 'kubectl-apparmor'), ['--version'], {
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    });
    expect(await text(child.stdout)).to.match(/^kubectl-apparmor \d/);
  });
});
