import { expect } from 'chai';
import {
  errorOfAnswer,
  errorOfStatus,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  isNotFound,
} from '../../../src/kube/errors.ts';
import { failure } from './scripted-transport.ts';

const checks = { isAlreadyExists, isConflict, isForbidden, isGone, isInvalid, isNotFound };

describe('errors', () => {
  const cases: { status: number; reason: string; holds: (keyof typeof checks)[] }[] = [
    { status: 404, reason: 'NotFound', holds: ['isNotFound'] },
    { status: 404, reason: 'Http404', holds: ['isNotFound'] },
    { status: 409, reason: 'Conflict', holds: ['isConflict'] },
    { status: 409, reason: 'AlreadyExists', holds: ['isAlreadyExists'] },
    { status: 410, reason: 'Gone', holds: ['isGone'] },
    { status: 410, reason: 'Http410', holds: ['isGone'] },
    { status: 500, reason: 'Expired', holds: ['isGone'] },
    { status: 403, reason: 'Forbidden', holds: ['isForbidden'] },
    { status: 422, reason: 'Invalid', holds: ['isInvalid'] },
    { status: 400, reason: 'BadRequest', holds: ['isInvalid'] },
    { status: 0, reason: 'ConnectionFailed', holds: [] },
    { status: 503, reason: 'ServiceUnavailable', holds: [] },
  ];
  for (const { status, reason, holds } of cases) {
    it(`knows ${status} ${reason}`, () => {
      const error = failure(status, reason);
      expect(
        Object.entries(checks)
          .filter(([, check]) => check(error))
          .map(([name]) => name),
      ).to.deep.equal(holds);
    });
  }

  it('takes nothing else for an error of the API server', () => {
    for (const other of [new Error('404'), undefined, null, { status: 404, reason: 'NotFound' }]) {
      for (const check of Object.values(checks)) expect(check(other)).to.equal(false);
    }
  });

  it('cuts long texts that are no Status', () => {
    expect(errorOfAnswer('GET /x', 502, 'y'.repeat(5000), undefined).message).to.have.length(8 + 200);
  });

  it('makes do with a Status that says little', () => {
    const error = errorOfStatus('GET /x', {});
    expect(error).to.include({ status: 500, reason: 'Unknown', message: 'GET /x: error without a message' });
    expect(errorOfStatus('GET /x', { reason: 'Expired' }).message).to.equal('GET /x: Expired');
    expect(errorOfStatus('GET /x', { details: { retryAfterSeconds: 4 } }).retryAfterSeconds).to.equal(4);
  });

  it('has no Retry-After where none was sent', () => {
    expect(failure(500, 'InternalError')).not.to.have.property('retryAfterSeconds', 0);
    expect(errorOfAnswer('GET /x', 500, '', '').retryAfterSeconds).to.equal(undefined);
  });
});
