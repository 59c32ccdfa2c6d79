import { expect } from 'chai';
import { createQuiet } from '../../../src/agent/quiet.ts';

describe('agent/quiet', () => {
  it('begins a minute after the last that was to do, and once', () => {
    const quiet = createQuiet();
    expect(quiet.begins(100_000)).to.equal(false);
    quiet.busy(100_000);
    quiet.busy(110_000);
    expect([160_000, 169_999, 170_000, 171_000].map((now) => quiet.begins(now))).to.deep.equal([
      false,
      false,
      true,
      false,
    ]);
    quiet.busy(200_000);
    expect(quiet.begins(260_000)).to.equal(true);
  });
});
