import type { Command } from './command.ts';

/**
 * The program. Each part is imported only when it is asked for, so that the agent, which runs on every node, does not pay
 * for what the controller needs.
 */
const COMMANDS = {
  agent: async () => (await import('./agent/command.ts')).agentCommand,
  controller: async () => (await import('./controller/command.ts')).controllerCommand,
} as const satisfies Record<string, () => Promise<Command>>;

const [name = '', ...args] = process.argv.slice(2);

if (!isCommand(name)) {
  process.stderr.write(`usage: apparmor-operator {${Object.keys(COMMANDS).join('|')}} [--help]\n`);
  process.exitCode = 2;
} else {
  await run(await COMMANDS[name]());
}

/** Ends with exit code 0 when asked to stop, 1 when the part failed, 2 when it was called wrongly. */
async function run(command: Command): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => stop.abort(new Error(`received ${signal}`)));
  }
  process.exitCode = await command({ args, env: process.env, signal: stop.signal });
}

function isCommand(word: string): word is keyof typeof COMMANDS {
  return Object.hasOwn(COMMANDS, word);
}
