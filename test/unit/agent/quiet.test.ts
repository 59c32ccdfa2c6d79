import { expect } from 'chai';
import { createQuiet } from '../../../src/agent/quiet.ts';

describe('agent/quiet', () => {
  it('begins 15 s after the last that was to do, and once', () => {
    const quiet = createQuiet();
    expect(quiet.begins(100_000)).to.equal(false);
    quiet.busy(100_000);
    quiet.busy(110_000);
    expect([115_000, 124_999, 125_000, 126_000].map((now) => quiet.begins(now))).to.deep.equal([
      false,
      false,
      true,
      false,
    ]);
    quiet.busy(130_000);
    expect(quiet.begins(145_000)).to.equal(true);
  });
});
