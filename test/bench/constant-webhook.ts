import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../../src/kube/resource.ts';
import { createOwner } from '../testbed/process.ts';
import type { World } from './world.ts';

/** Part of the API server's label `name` of it. */
export const CONSTANT_WEBHOOK = 'constant.bench.example.test';

/**
 * What the operator's webhook is measured against: one that answers every pod with this label by one patch, and thinks nothing.
 * Returns what ends it.
 */
export async function startConstantWebhook(
  world: World,
  podLabels: Record<string, string>,
  patch: readonly object[],
): Promise<() => Promise<void>> {
  const { authority } = world.controlPlane;
  const { certificate, key } = await authority.serverCertificate('constant-webhook', ['127.0.0.1']);
  const [cert, secret, ca] = await Promise.all([certificate, key, authority.certificate].map((file) => readFile(file)));
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64');
  const server = createServer({ cert, key: secret, keepAliveTimeout: LONGER_THAN_GO_MS }, (call, response) => {
    const chunks: Buffer[] = [];
    call.on('data', (chunk: Buffer) => chunks.push(chunk));
    call.once('end', () => {
      const body = answerTo(Buffer.concat(chunks).toString('utf8'), encoded);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      response.writeHead(200, headers).end(body);
    });
  });
  const owner = createOwner();
  owner.add(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const name = 'bench-constant';
  const configuration = {
    metadata: { name },
    webhooks: [
      {
        name: CONSTANT_WEBHOOK,
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        clientConfig: { url, caBundle: ca?.toString('base64') },
        objectSelector: { matchLabels: podLabels },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
      },
    ],
  };
  try {
    await world.client.create(MUTATING_WEBHOOK_CONFIGURATIONS, configuration);
  } catch (error) {
    await owner.stop();
    throw error;
  }
  owner.add(() => world.client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name }));
  return owner.stop;
}

/** As in src/admission/server.ts, so that the API server keeps its connections here too. */
const LONGER_THAN_GO_MS = 120_000;

function answerTo(review: string, patch: string): string {
  const { request } = JSON.parse(review) as { request: { uid: string } };
  const response = { uid: request.uid, allowed: true, patchType: 'JSONPatch', patch };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
}
