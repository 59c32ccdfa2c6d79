import { connect } from 'node:tls';
import { issueCertificate } from '../../../src/admission/certificate/issue.ts';
import {
  authoritiesIn,
  checkCertificate,
  readCertificate,
  SINCE_ANNOTATION,
  writeCertificate,
  type CertificateState,
  type CheckedCertificate,
} from '../../../src/admission/certificate/stored.ts';
import { REVIEW_WEBHOOK, WEBHOOK_SECRET } from '../../../src/api/names.ts';
import type { WebhookSecret } from '../../../src/controller/webhooks/keep-certificate.ts';
import {
  caBundlesOf,
  namesOf,
  type WebhookConfiguration,
} from '../../../src/controller/webhooks/webhook-configuration.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { SECRETS, VALIDATING_WEBHOOK_CONFIGURATIONS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { NAMESPACE } from '../api/installation.ts';

const KEY = { namespace: NAMESPACE, name: WEBHOOK_SECRET };

export const DAY = 24 * 3_600_000;

export function getSecret(client: KubeClient): Promise<WebhookSecret> {
  return client.get<WebhookSecret>(SECRETS, KEY);
}

/** Waits until what the Secret holds is whole and fits. */
export async function stateWhen(
  client: KubeClient,
  what: string,
  fits: (state: CertificateState) => boolean,
): Promise<CertificateState> {
  return waitFor(`the certificate: ${what}`, { deadlineMs: 30_000 }, async () => {
    const read = readCertificate(await getSecret(client));
    return read.kind === 'whole' && fits(read.state) ? read.state : undefined;
  });
}

/** Puts a certificate of this age into the Secret, as if it had been issued then. */
export async function plantCertificate(client: KubeClient, ageMs: number): Promise<CheckedCertificate> {
  const issuedAt = new Date(Date.now() - ageMs);
  const names = namesOf({ namespace: NAMESPACE, url: 'https://127.0.0.1' });
  const pair = checkCertificate(issueCertificate(names, issuedAt));
  const written = writeCertificate({ current: pair, previous: [], since: issuedAt });
  await client.mergePatch(SECRETS, KEY, { metadata: written.metadata, data: { ...REMOVED, ...written.data } });
  return pair;
}

const REMOVED = { 'next-ca.crt': null, 'next.crt': null, 'next.key': null, 'previous-ca.crt': null };

/** Lets the last step look as if it had been taken earlier. */
export async function ageStep(client: KubeClient, ms: number): Promise<void> {
  const annotations = { [SINCE_ANNOTATION]: new Date(Date.now() - ms).toISOString() };
  await client.mergePatch(SECRETS, KEY, { metadata: { annotations } });
}

export function getConfiguration(client: KubeClient): Promise<WebhookConfiguration> {
  return client.get<WebhookConfiguration>(VALIDATING_WEBHOOK_CONFIGURATIONS, { name: REVIEW_WEBHOOK });
}

/** Waits until the API server is told to trust these authorities, and no other. */
export async function trusted(client: KubeClient, authorities: readonly string[]): Promise<WebhookConfiguration> {
  return waitFor('the CA bundle', { deadlineMs: 20_000 }, async () => {
    const configuration = await getConfiguration(client);
    const [bundle = ''] = caBundlesOf(configuration);
    const found = authoritiesIn(bundle);
    const same = found.length === authorities.length && authorities.every((each) => found.includes(each));
    return same ? configuration : undefined;
  });
}

/** Serial number of the certificate that is served at a port to one who trusts the authority. */
export async function servedSerial(port: number, authority: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority });
  try {
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}
