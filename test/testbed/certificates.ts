import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './process.ts';

/** Paths of PEM files. */
export interface Certificate {
  certificate: string;
  key: string;
}

export interface CertificateAuthority extends Certificate {
  /** For a server that is reached by these names and IP addresses. */
  serverCertificate(commonName: string, hosts: readonly string[]): Promise<Certificate>;
  /** For a client that Kubernetes knows as user `name` in `groups`, for example a kubelet. */
  clientCertificate(name: string, groups: readonly string[]): Promise<Certificate>;
}

/** Makes a certificate authority of its own in `folder`, where everything that it issues is put as well. */
export async function createCertificateAuthority(folder: string, signal?: AbortSignal): Promise<CertificateAuthority> {
  const authority = files(folder, 'ca');
  await openssl(['req', '-x509', ...newKey(authority), '-subj', '/CN=test-bed-ca'], signal);
  const issue = async (name: string, subject: string, extensions: readonly string[]): Promise<Certificate> => {
    const issued = files(folder, name.replaceAll(/[^\w.-]+/g, '-'));
    const signer = ['-CA', authority.certificate, '-CAkey', authority.key];
    const extras = ['basicConstraints=critical,CA:FALSE', ...extensions].flatMap((text) => ['-addext', text]);
    await openssl(['req', '-x509', ...signer, ...newKey(issued), '-subj', subject, ...extras], signal);
    return issued;
  };
  return {
    ...authority,
    serverCertificate: (commonName, hosts) =>
      issue(commonName, `/CN=${escape(commonName)}`, [
        'extendedKeyUsage=serverAuth',
        `subjectAltName=${hosts.map((host) => `${isAddress(host) ? 'IP' : 'DNS'}:${host}`).join(',')}`,
      ]),
    clientCertificate: (name, groups) =>
      issue(name, `${groups.map((group) => `/O=${escape(group)}`).join('')}/CN=${escape(name)}`, [
        'extendedKeyUsage=clientAuth',
      ]),
  };
}

/** A key that kube-apiserver signs ServiceAccount tokens with: it reads both halves from the older SEC1 form only. */
export async function createKeyPair(folder: string, name: string): Promise<string> {
  const { key } = files(folder, name);
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await writeFile(key, privateKey, { mode: 0o600 });
  return key;
}

function files(folder: string, name: string): Certificate {
  return { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

/** P-256: made in milliseconds, where RSA keys take up to a second each. */
function newKey(to: Certificate): string[] {
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  return [...algorithm, '-noenc', '-days', '365', '-keyout', to.key, '-out', to.certificate];
}

function escape(text: string): string {
  return text.replaceAll(/[\\/+=]/g, String.raw`\$&`);
}

function isAddress(host: string): boolean {
  return /^[\d.]+$|:/.test(host);
}

async function openssl(args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  await run('openssl', args, signal === undefined ? {} : { signal });
}
