import { expect } from 'chai';
import { createReadiness } from '../../../src/agent/readiness.ts';
import { createManualClock } from '../kube/manual-clock.ts';

describe('agent/readiness', () => {
  it('is ready after the first full pass, and stays so', () => {
    const readiness = createReadiness(createManualClock());
    expect(readiness.checks['api-server']?.()).to.equal('the agent starts');
    readiness.firstPass({ check: 'policies', reason: 'two to compile' });
    expect(readiness.checks['api-server']?.()).to.equal(undefined);
    expect(readiness.checks['policies']?.()).to.equal('two to compile');
    readiness.firstPass(undefined);
    readiness.firstPass({ check: 'policies', reason: 'three to compile' });
    expect(readiness.checks['policies']?.()).to.equal(undefined);
  });

  it('is not alive when the loop is silent for five minutes', async () => {
    const clock = createManualClock();
    const readiness = createReadiness(clock);
    await clock.advance(300_000);
    expect(readiness.loop()).to.equal(undefined);
    await clock.advance(1);
    expect(readiness.loop()).to.contain('300 s');
    readiness.beat();
    expect(readiness.loop()).to.equal(undefined);
  });
});
