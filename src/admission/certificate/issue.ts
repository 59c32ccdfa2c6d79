import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { AUTHORITY_NAME, BACKDATED_MS, LIFE_MS, type IssuedCertificate } from './stored.ts';

/**
 * A serving certificate for the names (DNS names and IP addresses), under an authority made for it alone, whose key is
 * forgotten here: nobody can issue another one. ECDSA P-256 with SHA-256. Both begin ten minutes before `now`.
 */
export function issueCertificate(names: readonly string[], now: Date): IssuedCertificate {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const serving = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const validity = new Validity({
    notBefore: new Date(now.getTime() - BACKDATED_MS),
    notAfter: new Date(now.getTime() + LIFE_MS),
  });
  const issuer = nameOf(`${AUTHORITY_NAME} ${randomBytes(4).toString('hex')}`);
  const signed = (subject: Name, publicKey: KeyObject, extensions: Extension[]): string =>
    signCertificate({ issuer, validity, subject, publicKey, extensions }, authority.privateKey);
  const authorityKeyId = keyIdOf(authority.publicKey);
  return {
    authority: signed(issuer, authority.publicKey, [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(authorityKeyId)),
    ]),
    certificate: signed(nameOf('apparmor-operator-webhook'), serving.publicKey, [
      extension(id_ce_basicConstraints, new BasicConstraints(), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
      extension(id_ce_subjectAltName, new SubjectAlternativeName(names.map(alternativeName))),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdOf(serving.publicKey))),
      extension(
        id_ce_authorityKeyIdentifier,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(authorityKeyId) }),
      ),
    ]),
    key: serving.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

interface CertificateParts {
  issuer: Name;
  subject: Name;
  validity: Validity;
  publicKey: KeyObject;
  extensions: Extension[];
}

/** RFC 5758: ecdsa-with-SHA256, which has no parameters. */
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

/** RFC 4519: commonName. */
const COMMON_NAME = '2.5.4.3';

/** The certificate in PEM. */
function signCertificate({ publicKey, extensions, ...parts }: CertificateParts, key: KeyObject): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const tbsCertificate = new TBSCertificate({
    ...parts,
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: signatureAlgorithm,
    subjectPublicKeyInfo: AsnConvert.parse(spkiOf(publicKey), SubjectPublicKeyInfo),
    extensions: new Extensions(extensions),
  });
  const signatureValue = sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), key);
  const der = AsnConvert.serialize(
    new Certificate({ tbsCertificate, signatureAlgorithm, signatureValue: bufferOf(signatureValue) }),
  );
  return new X509Certificate(Buffer.from(der)).toString();
}

/** RFC 5280: positive, at most 20 bytes. */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bufferOf(bytes);
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function alternativeName(name: string): GeneralName {
  return isIP(name) === 0 ? new GeneralName({ dNSName: name }) : new GeneralName({ iPAddress: name });
}

function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })])]);
}

/** RFC 7093: the first 20 bytes of the SHA-256 of the key. */
function keyIdOf(publicKey: KeyObject): ArrayBuffer {
  return bufferOf(createHash('sha256').update(spkiOf(publicKey)).digest().subarray(0, 20));
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
