import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { issueCertificate } from '../../../../src/admission/certificate/issue.ts';
import { checkCertificate } from '../../../../src/admission/certificate/stored.ts';
import { run } from '../../../testbed/process.ts';

const now = new Date('2030-01-01T12:00:00Z');
const names = ['127.0.0.1', '2001:db8::1', 'webhook.operator.svc', 'webhook.operator.svc.cluster.local'];
const MINUTE = 60_000;

describe('issueCertificate', () => {
  const issued = issueCertificate(names, now);
  const authority = new X509Certificate(issued.authority);
  const leaf = new X509Certificate(issued.certificate);

  it('fits together, and is for its names alone', () => {
    expect(checkCertificate(issued).key).to.equal(issued.key);
    expect(leaf.subjectAltName).to.equal(
      'IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:webhook.operator.svc, DNS:webhook.operator.svc.cluster.local',
    );
    expect(leaf.checkHost('webhook.operator.svc')).to.equal('webhook.operator.svc');
    expect(leaf.checkHost('other.operator.svc')).to.equal(undefined);
    expect([leaf.checkIP('127.0.0.1'), leaf.checkIP('127.0.0.2')]).to.deep.equal(['127.0.0.1', undefined]);
  });

  it('uses ECDSA P-256, and an authority of its own each time', () => {
    for (const { publicKey } of [authority, leaf]) {
      expect(publicKey.asymmetricKeyType).to.equal('ec');
      expect(publicKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1');
    }
    const other = new X509Certificate(issueCertificate(names, now).authority);
    expect(other.subject).not.to.equal(authority.subject);
    expect(leaf.verify(other.publicKey)).to.equal(false);
    expect(leaf.serialNumber).not.to.equal(authority.serialNumber);
  });

  it('begins ten minutes back and lasts ninety days', () => {
    for (const certificate of [authority, leaf]) {
      expect(certificate.validFromDate.getTime()).to.equal(now.getTime() - 10 * MINUTE);
      expect(certificate.validToDate.getTime()).to.equal(now.getTime() + 90 * 24 * 60 * MINUTE);
    }
  });

  it('is strict X.509 to OpenSSL, at clocks that are five minutes apart either way, and no earlier than it may', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'certificate-'));
    try {
      await writeFile(join(folder, 'ca.crt'), issued.authority);
      await writeFile(join(folder, 'tls.crt'), issued.certificate);
      const verified = async (minutes: number): Promise<string> => {
        const at = Math.floor((now.getTime() + minutes * MINUTE) / 1000);
        const strict = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'webhook.operator.svc'];
        const files = ['-CAfile', join(folder, 'ca.crt'), join(folder, 'tls.crt')];
        const { stdout, stderr } = await run('openssl', ['verify', ...strict, '-attime', `${at}`, ...files], {
          accept: 'any',
        });
        return stdout + stderr;
      };
      for (const minutes of [-5, 0, 5]) expect(await verified(minutes)).to.match(/tls\.crt: OK/);
      expect(await verified(-11)).to.match(/not yet valid/);
      expect(await verified(90 * 24 * 60 + 1)).to.match(/expired/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
