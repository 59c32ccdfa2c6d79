import { expect } from 'chai';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compilePolicy,
  parserVersion,
  ParserUnavailableError,
  type CompileLimits,
  type CompileRequest,
  type CompileResult,
  type CompilerPaths,
} from '../../../src/policy/compile.ts';
import { readCompiledProfiles } from '../../../src/policy/compiled.ts';
import { assertParserInstalled, GENEROUS, INSTALLED } from './installed-parser.ts';
import { readInput } from './read-input.ts';

describe('compilePolicy', function compiling() {
  this.timeout(30_000);
  let folder: string;
  let paths: CompilerPaths;

  before(assertParserInstalled);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'compile-test-'));
    paths = { ...INSTALLED, workFolder: folder };
  });
  afterEach(async () => {
    expect(await readdir(folder), 'the scratch folder is left clean').to.deep.equal([]);
    await rm(folder, { recursive: true, force: true });
  });

  interface Options extends Omit<Partial<CompileRequest>, 'limits'> {
    limits?: Partial<CompileLimits>;
    paths?: Partial<CompilerPaths>;
  }

  function compile(text: string, { limits, paths: other, ...request }: Options = {}): Promise<CompileResult> {
    return compilePolicy({ text, ...request, limits: { ...GENEROUS, ...limits } }, { ...paths, ...other });
  }

  async function compiled(text: string, options: Options = {}): Promise<Buffer> {
    const result = await compile(text, options);
    if (result.kind === 'compiled') return result.binary;
    throw new Error(`${result.reason}: ${result.message}`);
  }

  async function failure(text: string, options: Options = {}) {
    const result = await compile(text, options);
    if (result.kind === 'failed') return result;
    throw new Error('it compiled');
  }

  it('compiles a policy with its abstractions, always to the same bytes', async () => {
    const first = await compiled(readInput('deny-write'));
    expect(readCompiledProfiles(first).map(({ name }) => name)).to.deep.equal(['k8s-apparmor-example-deny-write']);
    expect(first.equals(await compiled(readInput('deny-write')))).to.equal(true);
    expect(first.equals(await compiled(readInput('deny-write'), { mode: 'Enforce' }))).to.equal(true);
  });

  it('compiles for complain mode, children too, whatever the flags say', async () => {
    const binary = await compiled('profile a { ^b { } }\nprofile c flags=(unconfined) { }', { mode: 'Complain' });
    expect(readCompiledProfiles(binary).map(({ mode }) => mode)).to.deep.equal(['complain', 'complain', 'complain']);
  });

  it('compiles a text whose last line is a comment without line end', async () => {
    expect(readCompiledProfiles(await compiled(readInput('comment-at-end')))).to.have.length(1);
  });

  it('takes the text from a file of a name that no folder of the parser knows, and names it in no message', async () => {
    const seen = await withParser(
      'for last; do :; done; echo "$last" >&2; ls -ld "$last" >&2; exit 1',
      async (parser) => failure('profile a { }', { paths: { parser } }),
    );
    expect(seen.stderr).to.match(/compile-\w+\/[0-9a-f]{64}\n-rw-------/);
    expect(seen.message).to.equal('the policy');
  });

  it('gives the parser no environment but the C locale and a path, and no input', async () => {
    const { stderr } = await withParser('env >&2; cat >&2; exit 1', (parser) => failure('x', { paths: { parser } }));
    const names = stderr.split('\n').map((line) => line.split('=')[0]);
    // Node adds the latter to every child while coverage is measured.
    expect(names.filter((name) => name !== 'NODE_V8_COVERAGE')).to.have.members(['LC_ALL', 'PATH', 'PWD', '']);
  });

  it('warns with the line in the text', async () => {
    const script = 'for last; do :; done; echo "Warning from $last ($last line 2): careful" >&2; echo x';
    const result = await withParser(script, (parser) => compile('a\nb', { paths: { parser } }));
    expect(result).to.deep.include({ kind: 'compiled', warnings: [{ message: 'careful', line: 2 }] });
  });

  it('tells the line of a syntax error in the text', async () => {
    const result = await failure(readInput('missing-comma'));
    expect(result).to.include({ reason: 'CompileFailed', line: 3 });
    expect(result.message).to.match(/missing an end of line character/);
    expect(result.stderr).to.match(/^AppArmor parser error/);
  });

  it('tells no line for an error in an include, but its file', async () => {
    const base = await mkdtemp(join(tmpdir(), 'base-'));
    await writeFile(join(base, 'bad'), '/a r,\n\nfoo bar\n');
    const result = await failure('profile a {\n include <bad>\n}', { paths: { basePath: base } });
    expect(result.line).to.equal(undefined);
    expect(result.message).to.match(/^syntax error.* \(line 3 of bad\)$/);
    await rm(base, { recursive: true });
  });

  for (const text of ['', '\n \n', '# profile a { }']) {
    it(`has no profile in ${JSON.stringify(text)}`, async () => {
      expect(await failure(text)).to.include({ reason: 'NoProfile' });
    });
  }

  it('ends a compile that uses too much processor time', async () => {
    const result = await failure(readInput('dfa-explosion'), { limits: { cpuSeconds: 1 } });
    expect(result).to.include({ reason: 'CompileTimeout' });
    expect(result.message).to.match(/longer than 1 s of CPU time/);
  });

  it('ends a compile that takes too long', async () => {
    const result = await failure(readInput('dfa-explosion'), { limits: { wallClockMs: 300 } });
    expect(result).to.include({ reason: 'CompileTimeout' });
    expect(result.message).to.match(/longer than 0\.3 s/);
  });

  it('ends a compile that needs too much memory', async () => {
    const result = await failure(readInput('dfa-explosion'), { limits: { addressSpaceBytes: 12 * 2 ** 20 } });
    expect(result).to.include({ reason: 'CompileOutOfMemory' });
    expect(result.message).to.match(/more than 12 MiB/);
  });

  it('ends a compile whose policy is too large', async () => {
    const result = await failure(readInput('deny-write'), { limits: { outputBytes: 1000 } });
    expect(result).to.include({ reason: 'CompileOutputTooLarge' });
  });

  it('keeps the beginning of endless complaints', async () => {
    const script = 'echo first >&2; head -c 300000 /dev/zero | tr "\\0" x >&2; exit 1';
    const result = await withParser(script, (parser) => failure('x', { paths: { parser } }));
    expect(result.stderr).to.have.length(64 * 1024);
    expect(result.message).to.equal('first');
  });

  const ENDS: readonly [title: string, script: string, reason: string][] = [
    ['a crash', 'kill -SEGV $$', 'CompileCrashed'],
    ['an abort', 'kill -ABRT $$', 'CompileCrashed'],
    ['an abort for want of memory', 'echo "what():  std::bad_alloc" >&2; kill -ABRT $$', 'CompileOutOfMemory'],
    ['the end by the kernel', 'kill -KILL $$', 'CompileOutOfMemory'],
    ['the end by the processor limit', 'kill -XCPU $$', 'CompileTimeout'],
    ['a message for want of memory', 'echo "Memory allocation error." >&2; exit 1', 'CompileOutOfMemory'],
    [
      'a loader without memory',
      'echo "x: failed to map segment from shared object" >&2; exit 127',
      'CompileOutOfMemory',
    ],
    ['a loader without library', 'echo "error while loading shared libraries: x" >&2; exit 127', 'ParserUnavailable'],
    ['silence', 'exit 3', 'CompileFailed'],
  ];
  for (const [title, script, reason] of ENDS) {
    it(`reads ${title} as ${reason}`, async () => {
      const result = await withParser(script, (parser) => failure('x', { paths: { parser } }));
      expect(result).to.include({ reason });
      expect(result.message).to.not.equal('');
    });
  }

  const MISSING: readonly [part: keyof CompilerPaths, message: RegExp][] = [
    ['prlimit', /^\/nowhere cannot be started/],
    ['parser', /^prlimit: .*\/nowhere/],
    ['features', /Failed to load features from '\/nowhere'/],
    ['workFolder', /^the policy cannot be written for the parser: /],
  ];
  for (const [part, message] of MISSING) {
    it(`says so when ${part} is missing`, async () => {
      const result = await failure('profile a { }', { paths: { [part]: '/nowhere' } });
      expect(result).to.include({ reason: 'ParserUnavailable' });
      expect(result.message).to.match(message);
    });
  }

  it('leaves no worker behind when time is up', async () => {
    await withWorker('wait', async (parser, workerEnded) => {
      expect(await failure('x', { paths: { parser }, limits: { wallClockMs: 500 } })).to.include({
        reason: 'CompileTimeout',
      });
      await workerEnded();
    });
  });

  it('leaves no worker behind when the parser ends', async () => {
    await withWorker('echo x; exit 0', async (parser, workerEnded) => {
      expect(await compile('x', { paths: { parser } })).to.include({ kind: 'compiled' });
      await workerEnded();
    });
  });

  it('leaves no worker behind when it is aborted, and rejects with the reason', async () => {
    await withWorker('touch "$0.ready"; wait', async (parser, workerEnded) => {
      const stop = new AbortController();
      const result = compile('x', { paths: { parser }, signal: stop.signal }).then(
        () => 'resolved',
        (error: unknown) => error,
      );
      while (!(await readdir(join(parser, '..'))).includes('parser.ready')) await nextTurn();
      const reason = new Error('the agent stops');
      stop.abort(reason);
      expect(await result).to.equal(reason);
      await workerEnded();
    });
  });

  it('starts nothing when it is aborted before', async () => {
    const reason = new Error('stopped');
    const result = await compile('x', { paths: { prlimit: '/nowhere' }, signal: AbortSignal.abort(reason) }).catch(
      (error: unknown) => error,
    );
    expect(result).to.equal(reason);
  });

  it('tells the version of the parser', async () => {
    expect(await parserVersion(paths)).to.match(/^\d+\.\d+/);
  });

  it('says so when there is no parser to tell its version', async () => {
    for (const parser of ['/nowhere', '/bin/true']) {
      const error = await parserVersion({ ...paths, parser }).catch((error: unknown) => error);
      expect(error).to.be.instanceOf(ParserUnavailableError);
    }
  });
});

/** A stand-in for a parser that does what the real one does only on rare inputs. */
async function withParser<T>(script: string, run: (parser: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'parser-'));
  try {
    const parser = join(home, 'parser');
    await writeFile(parser, `#!/bin/sh\n${script}\n`);
    await chmod(parser, 0o755);
    return await run(parser);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** A killed orphan stays a zombie where process 1 does not wait for it, as in many containers. */
function stateOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/stat`, 'utf8').then(
    (stat) => stat.slice(stat.lastIndexOf(')') + 2),
    () => 'gone',
  );
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A parser that starts a worker which outlives it and, as apparmor_parser's does, keeps its output open. */
async function withWorker(then: string, run: (parser: string, workerEnded: () => Promise<void>) => Promise<void>) {
  await withParser(`sleep 600 & echo $! > "$0.worker"; ${then}`, (parser) =>
    run(parser, async () => {
      const pid = Number(await readFile(`${parser}.worker`, 'utf8'));
      expect(await stateOf(pid)).to.match(/^(gone|Z)/);
    }),
  );
}
