import { expect } from 'chai';
import { readEnvironment } from '../../../src/agent/environment.ts';
import { createManualClock } from '../kube/manual-clock.ts';
import { silentLog } from './silent-log.ts';

describe('agent/environment', () => {
  it('is the version and the fingerprint', async () => {
    const compiler = { compile: fail, version: async () => '4.1.0', fingerprint: async () => 'abc' };
    const environment = await readEnvironment(compiler, createManualClock(), silentLog());
    expect(environment).to.deep.equal({ hash: 'abc', parser: '4.1.0' });
  });

  it('is another at each start where it cannot be read', async () => {
    const compiler = { compile: fail, version: fail, fingerprint: fail };
    const log = silentLog();
    const environment = await readEnvironment(compiler, createManualClock(), log);
    expect(environment).to.deep.equal({ hash: 'unknown since 2030-01-01T00:00:00.000Z' });
    expect(log.lines.filter((line) => line.startsWith('error'))).to.have.length(2);
  });
});

function fail(): Promise<never> {
  return Promise.reject(new Error('no parser'));
}
