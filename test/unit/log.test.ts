import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const LOG_MODULE = fileURLToPath(new URL('../../src/log.ts', import.meta.url));

/** Runs a script that logs, and returns its lines: what a cluster's log collector would read. */
function logLines(script: string): Record<string, unknown>[] {
  const child = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `import { createLogger } from ${JSON.stringify(LOG_MODULE)};\n${script}`],
    { encoding: 'utf8' },
  );
  expect(child.stderr).to.equal('');
  return child.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('createLogger', () => {
  it('writes one JSON object a line, with time, level, component and the context', () => {
    const [line] = logLines(`
      const log = createLogger({ level: 'info', component: 'agent' }).child({ node: 'node-a' });
      log.info('profile loaded', { profile: 'web', revision: '0123456789ab' });
      log.debug('not at this level');
    `);
    expect(line).to.include({
      level: 'info',
      message: 'profile loaded',
      component: 'agent',
      node: 'node-a',
      profile: 'web',
    });
    expect(Date.parse(String(line?.['time'])))
      .to.be.a('number')
      .and.not.satisfy(Number.isNaN);
  });

  it('writes an error with its name, message, code and causes, on standard output too', () => {
    const [line] = logLines(`
      const cause = Object.assign(new TypeError('no such file'), { code: 'ENOENT' });
      createLogger({ level: 'info', component: 'agent' }).error('load failed', { error: new Error('no ledger', { cause }) });
    `);
    const error = line?.['error'] as { message: string; cause: { name: string; code: string } };
    expect(error.message).to.equal('no ledger');
    expect(error.cause).to.include({ name: 'TypeError', code: 'ENOENT', message: 'no such file' });
  });
});
