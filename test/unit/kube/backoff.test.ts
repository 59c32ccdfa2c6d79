import { expect } from 'chai';
import { backoffDelay, retryDelay } from '../../../src/kube/backoff.ts';
import { failure } from './scripted-transport.ts';

const backoff = { baseMs: 1000, maxMs: 30_000 };

describe('back-off', () => {
  const cases = [
    { attempt: 0, least: 500, most: 1000 },
    { attempt: 1, least: 1000, most: 2000 },
    { attempt: 4, least: 8000, most: 16_000 },
    { attempt: 5, least: 15_000, most: 30_000 },
    { attempt: 5000, least: 15_000, most: 30_000 },
  ];
  for (const { attempt, least, most } of cases) {
    it(`waits ${least} to ${most} ms before try ${attempt}`, () => {
      expect(backoffDelay(attempt, backoff, () => 0)).to.equal(least);
      expect(backoffDelay(attempt, backoff, () => 1)).to.equal(most);
    });
  }

  it('waits at least as long as the server asks for, also beyond the maximum', () => {
    expect(retryDelay(0, failure(429, 'TooManyRequests', 60), backoff, () => 0)).to.equal(60_000);
    expect(retryDelay(0, failure(429, 'TooManyRequests', 60), backoff, () => 1)).to.equal(90_000);
    expect(retryDelay(5, failure(429, 'TooManyRequests', 1), backoff, () => 0)).to.equal(15_000);
  });

  it('waits as usual where the server asks for nothing', () => {
    expect(retryDelay(0, failure(500, 'InternalError'), backoff, () => 0)).to.equal(500);
    expect(retryDelay(0, new Error('other'), backoff, () => 0)).to.equal(500);
  });
});
