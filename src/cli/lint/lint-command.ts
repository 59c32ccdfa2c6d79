import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTrialCompiler } from '../../admission/review/trial.ts';
import type { CliCommand } from '../kubectl-apparmor.ts';
import type { Terminal } from '../terminal.ts';
import { compileNothing, compileWith } from './compile-inputs.ts';
import { findCompiler } from './find-compiler.ts';
import { LINT_USAGE, readLintFlags, type LintFlags } from './flags.ts';
import { lint, type LintedFile } from './lint.ts';
import { print } from './output.ts';
import { readInput } from './read-input.ts';
import { exitCode, type LintResult } from './report.ts';

/** `lint`: the operator's review without a cluster. Rejects when aborted, after every process has ended. */
export const lintCommand: CliCommand = async ({ args, env, signal }, terminal) => {
  const flags = readLintFlags(args);
  if (flags.help) {
    terminal.result(LINT_USAGE);
    return 0;
  }
  const result = await lintFiles(flags, { folders: programFolders(env['PATH']), terminal, signal });
  const { results, notes } = print(result, flags.output);
  terminal.result(results);
  terminal.note(notes);
  return exitCode(result, flags.strict);
};

interface LintParts {
  folders: readonly string[];
  terminal: Terminal;
  signal: AbortSignal;
}

/** With those of the administrator, which people's PATHs often lack. What is not absolute would depend on where one stands. */
function programFolders(path = ''): string[] {
  return [...path.split(':'), '/usr/sbin', '/sbin'].filter((folder) => folder.startsWith('/'));
}

async function lintFiles(flags: LintFlags, parts: LintParts): Promise<LintResult> {
  if (!flags.compile) return lint(await readFiles(flags, parts), compileNothing('--no-compile is given'));
  const workFolder = await mkdtemp(join(tmpdir(), 'kubectl-apparmor-'));
  try {
    return await lintAndCompile(flags, parts, workFolder);
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

async function lintAndCompile(flags: LintFlags, parts: LintParts, workFolder: string): Promise<LintResult> {
  const { terminal, signal, folders } = parts;
  // First: a wrong flag must not wait for standard input.
  const compiler = await findCompiler(flags, { folders, workFolder });
  const files = await readFiles(flags, parts);
  if (compiler.kind === 'none') {
    terminal.note(`the policies are not compiled, only the rules are applied: ${compiler.why}\n`);
    return lint(files, compileNothing(compiler.why));
  }
  const trial = createTrialCompiler(compiler.paths);
  try {
    return await lint(files, compileWith({ trial, version: compiler.version }, signal));
  } finally {
    await trial.stop();
  }
}

/** One after the other, so that no more than one is in memory besides what is kept of the others. */
async function readFiles({ files }: LintFlags, { terminal, signal }: LintParts): Promise<LintedFile[]> {
  const read: LintedFile[] = [];
  for (const file of files) read.push({ file, documents: await readInput(file, terminal.input, signal) });
  return read;
}
