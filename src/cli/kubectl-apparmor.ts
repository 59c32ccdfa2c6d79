import { type Command, UsageError } from '../command.ts';
import type { Terminal } from './terminal.ts';

/** A subcommand: `Command`, with the streams passed in, too. */
export type CliCommand = (invocation: Parameters<Command>[0], terminal: Terminal) => Promise<number>;

export interface CliParts {
  terminal: Terminal;
  /** Of package.json. */
  version: string;
  commands: ReadonlyMap<string, { summary: string; usage: string; run: CliCommand }>;
}

/** Picks the subcommand. Resolves with the exit code: 2 and a usage on standard error when called wrongly. */
export async function kubectlApparmor(
  invocation: Parameters<Command>[0],
  { terminal, version, commands }: CliParts,
): Promise<number> {
  const [name = '', ...args] = invocation.args;
  const usage = usageOf(commands);
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.result(usage);
    return 0;
  }
  if (name === '--version') {
    terminal.result(`kubectl-apparmor ${version}\n`);
    return 0;
  }
  const command = commands.get(name);
  if (command === undefined) {
    terminal.note(`${name === '' ? 'no command is given' : `there is no command '${name}'`}\n${usage}`);
    return 2;
  }
  try {
    return await command.run({ ...invocation, args }, terminal);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    terminal.note(`${error.message}\n${command.usage}`);
    return 2;
  }
}

function usageOf(commands: CliParts['commands']): string {
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}\n`);
  return `usage: kubectl apparmor COMMAND [flag ...]\n${lines.join('')}  --help     this text; after a command, its own\n  --version\n`;
}
