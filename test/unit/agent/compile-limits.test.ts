import { expect } from 'chai';
import { SHORT_LIMITS } from '../../../src/agent/compile-limits.ts';
import { AGENT_MEMORY } from '../../../src/controller/daemonset/agent-config.ts';
import { LONG_LIMITS } from '../../../src/policy/compile-limits.ts';

describe('agent/compile-limits', () => {
  it("leave the agent what it takes at most, below its pod's limit", () => {
    const limitMiB = Number(/^(\d+)Mi$/.exec(AGENT_MEMORY.limit)?.[1]);
    const measuredMiB = 132;
    for (const { addressSpaceBytes } of [SHORT_LIMITS, LONG_LIMITS]) {
      expect(addressSpaceBytes / 2 ** 20 + measuredMiB).to.be.at.most(limitMiB);
    }
  });

  it('differ in time alone', () => {
    const { cpuSeconds, wallClockMs, ...rest } = LONG_LIMITS;
    expect(SHORT_LIMITS).to.deep.include(rest);
    expect([cpuSeconds > SHORT_LIMITS.cpuSeconds, wallClockMs > SHORT_LIMITS.wallClockMs]).to.deep.equal([true, true]);
  });
});
