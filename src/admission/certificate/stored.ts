import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

/** Begins the common name of every authority of ours. */
export const AUTHORITY_NAME = 'apparmor-operator-webhook-ca';

/** From the time of issue to the end. */
export const LIFE_MS = 90 * 24 * 3_600_000;

/** Certificates begin this long before they are issued: clocks that are five minutes apart either way must not matter. */
export const BACKDATED_MS = 10 * 60_000;

/** In PEM: a serving certificate, its key, and the authority that signed it and nothing else. */
export interface IssuedCertificate {
  authority: string;
  certificate: string;
  /** Never logged. */
  key: string;
}

/** An IssuedCertificate that was looked at and fits together. */
export interface CheckedCertificate extends IssuedCertificate {
  leaf: X509Certificate;
}

/** What the Secret holds. Trusted are the authorities of all three; served is `current` alone. */
export interface CertificateState {
  /** Absent where a certificate was made anew while the API server trusted another: `next` first has to be trusted. */
  current?: CheckedCertificate;
  /** Trusted from now on, served later. */
  next?: CheckedCertificate;
  /** PEM of authorities that stay trusted until every replica serves the current certificate. */
  previous: readonly string[];
  /** When the last step was taken. */
  since: Date;
}

export type StoredCertificate =
  | { kind: 'missing' }
  /** No key and no certificate is in the reason. */
  | { kind: 'damaged'; reason: string }
  | { kind: 'whole'; state: CertificateState };

/** v1 Secret, as far as it is used here. */
export interface CertificateSecret {
  metadata: { annotations?: Record<string, string> };
  /** Base64. */
  data?: Record<string, string>;
}

/** On the Secret: RFC 3339, when the last step was taken. */
export const SINCE_ANNOTATION = 'apparmor-operator.dev/certificate-since';

const CURRENT = { authority: 'ca.crt', certificate: 'tls.crt', key: 'tls.key' } as const;
const NEXT = { authority: 'next-ca.crt', certificate: 'next.crt', key: 'next.key' } as const;
const PREVIOUS = 'previous-ca.crt';

type Fields = typeof CURRENT | typeof NEXT;

/** More authorities than this are not left by steps of ours. */
export const MOST_PREVIOUS = 4;

/** Reads the Secret; undefined: there is none. What does not fit together in any part is damaged as a whole. */
export function readCertificate(secret: CertificateSecret | undefined): StoredCertificate {
  if (secret === undefined) return { kind: 'missing' };
  const { data = {}, metadata } = secret;
  try {
    const known: ReadonlySet<string> = new Set([...Object.values(CURRENT), ...Object.values(NEXT), PREVIOUS]);
    const strange = Object.keys(data).filter((name) => !known.has(name));
    if (strange.length > 0) throw new CertificateError(`it has ${strange.join(', ').slice(0, 100)}`);
    const current = readPair(data, CURRENT);
    const next = readPair(data, NEXT);
    const since = new Date(metadata.annotations?.[SINCE_ANNOTATION] ?? '');
    if (Number.isNaN(since.getTime())) throw new CertificateError(`its annotation ${SINCE_ANNOTATION} is not a time`);
    const previous = readAuthorities(textOf(data, PREVIOUS) ?? '');
    return {
      kind: 'whole',
      state: {
        ...(current === undefined ? {} : { current }),
        ...(next === undefined ? {} : { next }),
        previous,
        since,
      },
    };
  } catch (error) {
    if (error instanceof CertificateError) return { kind: 'damaged', reason: error.message };
    throw error;
  }
}

/** What to store: the Secret's `data`, and its annotation. */
export function writeCertificate({ current, next, previous, since }: CertificateState): Required<CertificateSecret> {
  const texts = {
    ...fieldsOf(current, CURRENT),
    ...fieldsOf(next, NEXT),
    ...(previous.length === 0 ? {} : { [PREVIOUS]: previous.join('') }),
  };
  const data = Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString('base64')]);
  return { metadata: { annotations: { [SINCE_ANNOTATION]: since.toISOString() } }, data: Object.fromEntries(data) };
}

/** PEM of every authority that the API server has to trust. */
export function authoritiesOf({ current, next, previous }: CertificateState): string[] {
  const own = [current, next].flatMap((pair) => (pair === undefined ? [] : [pair.authority]));
  return [...new Set([...own, ...previous])];
}

/** Looks at what was issued. Throws CertificateError if it does not fit together. */
export function checkCertificate({ authority, certificate, key }: IssuedCertificate): CheckedCertificate {
  const signer = oneCertificate(authority, CURRENT.authority);
  const leaf = oneCertificate(certificate, CURRENT.certificate);
  if (!isAuthority(signer)) throw new CertificateError('the authority is none');
  if (leaf.ca || !leaf.checkIssued(signer) || !leaf.verify(signer.publicKey)) {
    throw new CertificateError('the certificate was not signed by its authority');
  }
  if (!leaf.checkPrivateKey(privateKey(key))) throw new CertificateError('the key is not that of the certificate');
  return { authority: signer.toString(), certificate: leaf.toString(), key, leaf };
}

/** The authorities of ours in a text, such as the `caBundle` of a webhook; anything else in it is left out. */
export function authoritiesIn(text: string): string[] {
  return blocksOf(text).flatMap((block) => {
    const certificate = parse(block);
    return certificate !== undefined && isAuthority(certificate) ? [certificate.toString()] : [];
  });
}

/** Something that is not what the operator stored. The message holds no key and no certificate. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

function readPair(data: Record<string, string>, names: Fields): CheckedCertificate | undefined {
  const authority = textOf(data, names.authority);
  const certificate = textOf(data, names.certificate);
  const key = textOf(data, names.key);
  if (authority === undefined && certificate === undefined && key === undefined) return undefined;
  if (authority === undefined || certificate === undefined || key === undefined) {
    throw new CertificateError(`not all of ${Object.values(names).join(', ')} are there`);
  }
  try {
    return checkCertificate({ authority, certificate, key });
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new CertificateError(`${Object.values(names).join(', ')}: ${error.message}`);
  }
}

function readAuthorities(text: string): string[] {
  const authorities = authoritiesIn(text);
  if (text.trim() !== '' && authorities.length === 0) throw new CertificateError(`${PREVIOUS}: no authority of ours`);
  if (authorities.length > MOST_PREVIOUS) throw new CertificateError(`${PREVIOUS}: too many authorities`);
  return authorities;
}

function fieldsOf(pair: CheckedCertificate | undefined, names: Fields): Record<string, string> {
  if (pair === undefined) return {};
  return { [names.authority]: pair.authority, [names.certificate]: pair.certificate, [names.key]: pair.key };
}

function textOf(data: Record<string, string>, name: string): string | undefined {
  const encoded = data[name];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
}

function oneCertificate(text: string, name: string): X509Certificate {
  const [block, ...more] = blocksOf(text);
  const certificate = block === undefined || more.length > 0 ? undefined : parse(block);
  if (certificate === undefined) throw new CertificateError(`${name} is not one certificate`);
  return certificate;
}

function blocksOf(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

function parse(block: string): X509Certificate | undefined {
  try {
    return new X509Certificate(block);
  } catch {
    return undefined;
  }
}

function isAuthority(certificate: X509Certificate): boolean {
  return certificate.ca && certificate.subject.startsWith(`CN=${AUTHORITY_NAME}`);
}

/** The library's own message may quote what it read. */
function privateKey(key: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch {
    throw new CertificateError('the key cannot be read');
  }
}
