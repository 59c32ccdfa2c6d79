import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { issueCertificate } from '../../../../src/admission/certificate/issue.ts';
import {
  authoritiesIn,
  authoritiesOf,
  CertificateError,
  checkCertificate,
  readCertificate,
  SINCE_ANNOTATION,
  writeCertificate,
  type CertificateSecret,
  type CertificateState,
} from '../../../../src/admission/certificate/stored.ts';

const since = new Date('2030-01-01T00:00:00.000Z');
const [one, two, three] = [0, 1, 2].map(() => checkCertificate(issueCertificate(['webhook.svc'], since)));
const state: CertificateState = { current: one!, next: two!, previous: [three!.authority], since };
const whole = writeCertificate(state);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The Secret after somebody's edit. */
function edited(data: Record<string, string | undefined>, since?: string): CertificateSecret {
  const entries = Object.entries({ ...whole.data, ...data }).filter(([, value]) => value !== undefined);
  return {
    metadata: {
      annotations: { ...whole.metadata.annotations, ...(since === undefined ? {} : { [SINCE_ANNOTATION]: since }) },
    },
    data: Object.fromEntries(entries) as Record<string, string>,
  };
}

describe('readCertificate', () => {
  it('reads what writeCertificate wrote', () => {
    const read = readCertificate(whole);
    expect(read.kind === 'whole' && withoutLeaf(read.state)).to.deep.equal(withoutLeaf(state));
    expect(read.kind === 'whole' && authoritiesOf(read.state)).to.deep.equal([
      one!.authority,
      two!.authority,
      three!.authority,
    ]);
    const alone = readCertificate(writeCertificate({ current: one!, previous: [], since }));
    expect(alone.kind === 'whole' && authoritiesOf(alone.state)).to.deep.equal([one!.authority]);
  });

  it('there is none', () => expect(readCertificate(undefined)).to.deep.equal({ kind: 'missing' }));

  const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  for (const [title, secret, reason] of [
    ['no data', { metadata: {} }, 'its annotation apparmor-operator.dev/certificate-since is not a time'],
    ['no time', edited({}, ''), 'its annotation apparmor-operator.dev/certificate-since is not a time'],
    ['a key that is not ours', edited({ 'extra.key': 'x' }), 'it has extra.key'],
    ['no key', edited({ 'tls.key': undefined }), 'not all of ca.crt, tls.crt, tls.key are there'],
    ['no next authority', edited({ 'next-ca.crt': undefined }), 'not all of next-ca.crt, next.crt, next.key are there'],
    [
      'the key of another',
      edited({ 'tls.key': base64(two!.key) }),
      'ca.crt, tls.crt, tls.key: the key is not that of the certificate',
    ],
    [
      'a new key',
      edited({ 'next.key': base64(otherKey.toString()) }),
      'next-ca.crt, next.crt, next.key: the key is not that of the certificate',
    ],
    [
      'half a key',
      edited({ 'tls.key': base64(one!.key.slice(0, 80)) }),
      'ca.crt, tls.crt, tls.key: the key cannot be read',
    ],
    [
      'the authority of another',
      edited({ 'ca.crt': base64(two!.authority) }),
      'ca.crt, tls.crt, tls.key: the certificate was not signed by its authority',
    ],
    [
      'a certificate as authority',
      edited({ 'ca.crt': base64(one!.certificate) }),
      'ca.crt, tls.crt, tls.key: the authority is none',
    ],
    [
      'two authorities',
      edited({ 'ca.crt': base64(one!.authority + two!.authority) }),
      'ca.crt, tls.crt, tls.key: ca.crt is not one certificate',
    ],
    ['not base64', edited({ 'tls.crt': '%%%' }), 'ca.crt, tls.crt, tls.key: tls.crt is not one certificate'],
    [
      'a certificate that is cut off inside',
      edited({ 'tls.crt': base64(one!.certificate.replace(/\n.{64}\n/, '\n')) }),
      'ca.crt, tls.crt, tls.key: tls.crt is not one certificate',
    ],
    [
      'a strange previous authority',
      edited({ 'previous-ca.crt': base64(one!.certificate) }),
      'previous-ca.crt: no authority of ours',
    ],
    [
      'very many previous authorities',
      edited({ 'previous-ca.crt': base64(three!.authority.repeat(5)) }),
      'previous-ca.crt: too many authorities',
    ],
  ] as const satisfies readonly (readonly [string, CertificateSecret, string])[]) {
    it(`${title}: damaged, and no key is told`, () => {
      expect(readCertificate(secret)).to.deep.equal({ kind: 'damaged', reason });
    });
  }
});

describe('checkCertificate', () => {
  it('throws for what does not fit, without a key in it', () => {
    expect(() => checkCertificate({ ...one!, key: `${one!.key.slice(0, 60)}\n` })).to.throw(
      CertificateError,
      /^the key cannot be read$/,
    );
  });
});

describe('authoritiesIn', () => {
  it('finds ours and leaves out the rest', () => {
    const text = `# note\n${one!.certificate}${one!.authority}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${two!.authority}`;
    expect(authoritiesIn(text)).to.deep.equal([one!.authority, two!.authority]);
    expect(authoritiesIn('')).to.deep.equal([]);
  });
});

function withoutLeaf({ current, next, ...rest }: CertificateState): object {
  return { ...rest, pairs: [current, next].map((pair) => ({ ...pair, leaf: undefined })) };
}
