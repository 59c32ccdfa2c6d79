import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPILE_OPTIONS, type CompilerPaths } from './compiler.ts';
import { runLimited, type LimitedRun } from './limited-process.ts';
import { readParserMessages, type ParserMessage } from './parser-messages.ts';

export { compilerFingerprint, parserVersion, ParserUnavailableError, type CompilerPaths } from './compiler.ts';
export type { ParserMessage } from './parser-messages.ts';

export interface CompileLimits {
  /** RLIMIT_AS of the parser. Below about 6 MiB it cannot even be loaded (measured with 4.1). */
  addressSpaceBytes: number;
  cpuSeconds: number;
  wallClockMs: number;
  /** Of the compiled policy. */
  outputBytes: number;
}

export interface CompileRequest {
  text: string;
  /** Complain compiles every profile for complain mode; Enforce and absent as the text says. */
  mode?: 'Enforce' | 'Complain';
  limits: CompileLimits;
  signal?: AbortSignal;
}

export type CompileResult =
  | { kind: 'compiled'; binary: Buffer; warnings: readonly ParserMessage[] }
  | { kind: 'failed'; reason: CompileFailureReason; message: string; line?: number; stderr: string };

export type CompileFailureReason =
  | 'CompileFailed'
  | 'CompileTimeout'
  | 'CompileOutOfMemory'
  | 'CompileCrashed'
  | 'CompileOutputTooLarge'
  | 'ParserUnavailable'
  | 'NoProfile';

/**
 * Compiles policy text with apparmor_parser under limits; nothing is loaded and no cache is used. Whatever the text does to the
 * parser is an ordinary failure with its reason; only an abort rejects, with the signal's reason, after every process has ended.
 */
export async function compilePolicy(request: CompileRequest, paths: CompilerPaths): Promise<CompileResult> {
  request.signal?.throwIfAborted();
  const folder = await mkdtemp(join(paths.workFolder, 'compile-')).catch(unwritable);
  if (typeof folder !== 'string') return folder;
  try {
    const file = await writeText(folder, request.text).catch(unwritable);
    if (typeof file !== 'string') return file;
    const run = await runParser(request, paths, folder, file);
    if (run.ended === 'aborted') request.signal?.throwIfAborted();
    return classify(run, request, paths, file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function unwritable(error: unknown): CompileResult {
  return unavailable(`the policy cannot be written for the parser: ${messageOf(error)}`);
}

/**
 * The parser needs a file to tell lines of the text from lines of its includes: from standard input it prints both alike. Its
 * name is a hash, because the parser looks into its `disable` and `force-complain` folders for the file's name.
 */
async function writeText(folder: string, text: string): Promise<string> {
  const file = join(folder, createHash('sha256').update(text).digest('hex'));
  // A comment in the last line without a line end is a syntax error for the parser, and usual in YAML (`policy: |-`).
  await writeFile(file, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600, flag: 'wx' });
  return file;
}

/** One second between SIGXCPU, which tells what happened, and SIGKILL, which a parser cannot survive. */
const CPU_GRACE_SECONDS = 1;

async function runParser(
  { mode, limits, signal }: CompileRequest,
  paths: CompilerPaths,
  folder: string,
  file: string,
): Promise<LimitedRun | SpawnFailure> {
  const args = [
    `--as=${limits.addressSpaceBytes}`,
    `--cpu=${limits.cpuSeconds}:${limits.cpuSeconds + CPU_GRACE_SECONDS}`,
    '--core=0',
    '--',
    paths.parser,
    ...COMPILE_OPTIONS,
    ...(mode === 'Complain' ? ['--Complain'] : []),
    `--features-file=${paths.features}`,
    `--base=${paths.basePath}`,
    '--',
    file,
  ];
  const { wallClockMs, outputBytes } = limits;
  const command = { command: paths.prlimit, args, folder, environment: ENVIRONMENT, wallClockMs, outputBytes };
  try {
    return await runLimited(signal === undefined ? command : { ...command, signal });
  } catch (error) {
    return { ended: 'spawn-failed', message: messageOf(error) };
  }
}

/** The C locale: messages are read by program. */
const ENVIRONMENT = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

interface SpawnFailure {
  ended: 'spawn-failed';
  message: string;
}

function classify(
  run: LimitedRun | SpawnFailure,
  { text, limits }: CompileRequest,
  paths: CompilerPaths,
  textFile: string,
): CompileResult {
  if (run.ended === 'spawn-failed') return unavailable(`${paths.prlimit} cannot be started: ${run.message}`);
  const { stderr } = run;
  const failed = (reason: CompileFailureReason, message: string): CompileResult => ({
    kind: 'failed',
    reason,
    message,
    stderr,
  });
  const memory = `${Math.floor(limits.addressSpaceBytes / 2 ** 20)} MiB`;
  const outOfMemory = (): CompileResult =>
    failed('CompileOutOfMemory', `compiling needs more than ${memory} of memory; simplify the policy's patterns`);

  if (run.ended === 'timeout') return failed('CompileTimeout', tooLong(limits.wallClockMs / 1000));
  if (run.ended === 'output-limit') {
    return failed(
      'CompileOutputTooLarge',
      `the compiled policy is larger than ${limits.outputBytes} bytes; split or simplify the policy`,
    );
  }
  if (run.signal !== null) {
    if (run.signal === 'SIGXCPU') return failed('CompileTimeout', tooLong(limits.cpuSeconds, ' of CPU time'));
    if (run.signal === 'SIGKILL' || OUT_OF_MEMORY.test(stderr)) return outOfMemory();
    return failed(
      'CompileCrashed',
      `apparmor_parser crashed (${run.signal}) on this policy; simplify it until it compiles`,
    );
  }
  if (run.code === 0) {
    if (run.stdout.length === 0) return failed('NoProfile', 'the policy defines no profile');
    const { warnings } = readParserMessages({ stderr, text, textFile, basePath: paths.basePath });
    return { kind: 'compiled', binary: run.stdout, warnings };
  }
  if (OUT_OF_MEMORY.test(stderr)) return outOfMemory();
  if (NOT_THE_POLICY.test(stderr)) return { ...unavailable(stderr.trim().slice(0, 1000)), stderr };
  const { errors } = readParserMessages({ stderr, text, textFile, basePath: paths.basePath });
  const first = errors[0];
  return {
    kind: 'failed',
    reason: 'CompileFailed',
    message: first?.message ?? `apparmor_parser ended with exit status ${run.code} and said nothing`,
    ...(first?.line === undefined ? {} : { line: first.line }),
    stderr,
  };
}

const OUT_OF_MEMORY = /bad_alloc|out of memory|memory allocation error|cannot allocate memory|failed to map segment/i;

/** Complaints of prlimit, the loader, or the parser about its installation. */
const NOT_THE_POLICY = /^prlimit: |error while loading shared libraries|^Failed to load features from /m;

function tooLong(seconds: number, what = ''): string {
  return `compiling took longer than ${seconds} s${what}; simplify the policy's patterns, above all '**' and alternations`;
}

function unavailable(message: string): Extract<CompileResult, { kind: 'failed' }> {
  return { kind: 'failed', reason: 'ParserUnavailable', message, stderr: '' };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
