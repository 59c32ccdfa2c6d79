import { expect } from 'chai';
import {
  AdmissionReviewError,
  readAdmissionReview,
  writeAdmissionReview,
  type AdmissionAnswer,
} from '../../../src/admission/admission-review.ts';
import { review } from './reviews.ts';

describe('readAdmissionReview', () => {
  it('reads what the API server sends at an update', () => {
    const object = { metadata: { name: 'web' } };
    const request = readAdmissionReview(
      JSON.stringify(
        review({
          operation: 'UPDATE',
          name: 'web',
          object,
          oldObject: { old: true },
          dryRun: false,
          options: { a: 1 },
        }),
      ),
    );
    expect(request).to.deep.equal({
      uid: 'uid-1',
      operation: 'UPDATE',
      kind: { group: 'apparmor-operator.dev', version: 'v1alpha1', kind: 'AppArmorProfile' },
      resource: { group: 'apparmor-operator.dev', version: 'v1alpha1', resource: 'apparmorprofiles' },
      name: 'web',
      object,
      oldObject: { old: true },
      dryRun: false,
      options: { a: 1 },
      userInfo: { username: 'somebody', groups: ['system:authenticated'] },
    });
  });

  it('takes null, which the API server sends for an object that there is not, as absent', () => {
    const request = readAdmissionReview(JSON.stringify(review({ operation: 'DELETE', object: null, dryRun: null })));
    expect(request).not.to.have.any.keys('object', 'dryRun', 'name');
  });

  for (const [body, message] of [
    ['', 'the body is not JSON'],
    ['{"kind":', 'the body is not JSON'],
    ['[]', 'the body is not a JSON object'],
    ['null', 'the body is not a JSON object'],
    ['{}', 'the body is not an AdmissionReview of admission.k8s.io/v1'],
    [
      JSON.stringify({ ...review(), apiVersion: 'admission.k8s.io/v1beta1' }),
      'the body is not an AdmissionReview of admission.k8s.io/v1',
    ],
    [JSON.stringify({ ...review(), request: undefined }), 'the AdmissionReview has no request'],
    [JSON.stringify(review({ uid: '' })), 'request.uid is not a string'],
    [JSON.stringify(review({ uid: 7 })), 'request.uid is not a string'],
    [JSON.stringify(review({ operation: 'PATCH' })), 'request.operation is not one of CREATE, UPDATE, DELETE, CONNECT'],
    [JSON.stringify(review({ kind: { kind: 'Pod' } })), 'request.kind has not the strings group, version and kind'],
    [JSON.stringify(review({ resource: null })), 'request.resource has not the strings group, version and resource'],
    [JSON.stringify(review({ namespace: {} })), 'request.namespace is not a string'],
    [JSON.stringify(review({ dryRun: 'yes' })), 'request.dryRun is not true or false'],
    [JSON.stringify(review({ userInfo: [] })), 'request.userInfo is not an object'],
  ] as const) {
    it(`refuses ${body.slice(0, 60) || 'nothing'}: ${message}`, () => {
      expect(() => readAdmissionReview(body)).to.throw(AdmissionReviewError, message);
    });
  }
});

describe('writeAdmissionReview', () => {
  it('allows', () => {
    expect(written({ allowed: true })).to.deep.equal({ uid: 'uid-1', allowed: true });
    expect(written({ allowed: true, warnings: ['look'], patch: [] })).to.deep.equal({
      uid: 'uid-1',
      allowed: true,
      warnings: ['look'],
    });
  });

  it('patches', () => {
    const patch = [{ op: 'add', path: '/metadata/annotations', value: { ä: '1' } }] as const;
    const response = written({ allowed: true, patch }) as { patch: string };
    expect(response).to.include({ allowed: true, patchType: 'JSONPatch' });
    expect(JSON.parse(Buffer.from(response.patch, 'base64').toString('utf8'))).to.deep.equal(patch);
  });

  it('refuses, with what the user’s request gets', () => {
    expect(written({ allowed: false, message: 'no', code: 422, reason: 'Invalid', warnings: ['w'] })).to.deep.equal({
      uid: 'uid-1',
      allowed: false,
      warnings: ['w'],
      status: { status: 'Failure', message: 'no', code: 422, reason: 'Invalid' },
    });
    expect(written({ allowed: false, message: 'no' })).to.deep.include({
      status: { status: 'Failure', message: 'no' },
    });
  });
});

function written(answer: AdmissionAnswer): unknown {
  const { response, ...rest } = JSON.parse(writeAdmissionReview('uid-1', answer)) as { response: unknown };
  expect(rest).to.deep.equal({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
  return response;
}
