#!/usr/bin/env node
import './node-20.ts';
import manifest from '../../package.json' with { type: 'json' };
import { kubectlApparmor } from './kubectl-apparmor.ts';
import { LINT_USAGE } from './lint/flags.ts';
import { lintCommand } from './lint/lint-command.ts';
import { processTerminal } from './terminal.ts';

const COMMANDS = new Map([
  ['lint', { summary: 'check AppArmorProfiles and policy files', usage: LINT_USAGE, run: lintCommand }],
]);

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => stop.abort(new Error(`received ${signal}`)));
}
try {
  process.exitCode = await kubectlApparmor(
    { args: process.argv.slice(2), env: process.env, signal: stop.signal },
    { terminal: processTerminal(process), version: manifest.version, commands: COMMANDS },
  );
} catch (error) {
  // What shells use for "ended by SIGINT", whichever it was.
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
}
