import { expect } from 'chai';
import { UsageError } from '../../../src/command.ts';
import { kubectlApparmor, type CliCommand } from '../../../src/cli/kubectl-apparmor.ts';
import { recordingTerminal } from './terminal.ts';

async function run(args: readonly string[], command: CliCommand = () => Promise.resolve(0)) {
  const terminal = recordingTerminal();
  const commands = new Map([['lint', { summary: 'checks', usage: 'usage of lint\n', run: command }]]);
  const code = await kubectlApparmor(
    { args, env: {}, signal: new AbortController().signal },
    { terminal, version: '1.2.3', commands },
  );
  return { code, ...terminal.written };
}

describe('kubectl-apparmor', () => {
  it('gives a command the arguments behind it, and its exit code back', async () => {
    const seen: unknown[] = [];
    const { code } = await run(['lint', '-o', 'json'], ({ args }) => {
      seen.push(...args);
      return Promise.resolve(1);
    });
    expect({ code, seen }).to.deep.equal({ code: 1, seen: ['-o', 'json'] });
  });

  for (const word of ['--help', '-h', 'help']) {
    it(`lists the commands for ${word}`, async () => {
      const { code, results, notes } = await run([word]);
      expect(results).to.match(/^usage: kubectl apparmor COMMAND.*\n {2}lint +checks\n/);
      expect({ code, notes }).to.deep.equal({ code: 0, notes: '' });
    });
  }

  it('has a version', async () => {
    expect(await run(['--version'])).to.deep.equal({ code: 0, results: 'kubectl-apparmor 1.2.3\n', notes: '' });
  });

  for (const args of [[], ['toString'], ['--what']]) {
    it(`refuses ${JSON.stringify(args)} with a usage on standard error`, async () => {
      const { code, results, notes } = await run(args);
      expect({ code, results }).to.deep.equal({ code: 2, results: '' });
      expect(notes).to.match(/^(no command is given|there is no command '.+')\nusage: kubectl apparmor COMMAND/);
    });
  }

  it("shows a command's usage when that is called wrongly", async () => {
    const called = await run(['lint'], () => Promise.reject(new UsageError('no file')));
    expect(called).to.deep.equal({ code: 2, results: '', notes: 'no file\nusage of lint\n' });
  });

  it('does not take any other failure for its own', async () => {
    const failure = new Error('broken');
    const called = await run(['lint'], () => Promise.reject(failure)).catch((error: unknown) => error);
    expect(called).to.equal(failure);
  });
});
