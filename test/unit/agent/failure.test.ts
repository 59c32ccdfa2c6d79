import { expect } from 'chai';
import { compileFailure, kernelFailure, retryDelayMs } from '../../../src/agent/failure.ts';
import { KernelWriteError } from '../../../src/kernel/write-error.ts';

describe('agent/failure', () => {
  it('doubles the delay up to five minutes', () => {
    expect([0, 1, 2, 6, 7, 1000].map(retryDelayMs)).to.deep.equal([5_000, 10_000, 20_000, 300_000, 300_000, 300_000]);
  });

  it('does not retry what only another text can change', () => {
    const result = { kind: 'failed', reason: 'CompileOutOfMemory', message: 'm', stderr: '' } as const;
    expect(compileFailure(result, 0, 5)).to.deep.equal({ reason: 'CompileOutOfMemory', message: 'm' });
  });

  for (const [code, reason] of [
    ['EPERM', 'KernelRefused'],
    ['EROFS', 'KernelRefused'],
    ['EBADMSG', 'KernelRejectedPolicy'],
    ['EPROTONOSUPPORT', 'KernelRejectedPolicy'],
    ['EIO', 'KernelError'],
  ] as const) {
    it(`${code} means ${reason}`, () => {
      const failure = kernelFailure(new KernelWriteError('load', code), 1, 100);
      expect(failure).to.include({ reason, retryAt: 10_100 });
    });
  }
});
