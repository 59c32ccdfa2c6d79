import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { createAdmissionMetrics } from '../../../src/admission/admission-metrics.ts';
import type { AdmissionHandler } from '../../../src/admission/admission-review.ts';
import { startAdmissionServer } from '../../../src/admission/server.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { createCertificateAuthority } from '../../testbed/certificates.ts';
import { fakeLogger } from '../../unit/controller/fake-client.ts';

/** Webhooks in this process that the API server reaches. */
export interface Served {
  /** How the API server reaches a path. */
  connect(path: string): { url: string; caBundle: string };
  stop(): Promise<void>;
}

/** Serves the handlers by our own server, with a certificate of the test bed's. */
export async function serve(handlers: ReadonlyMap<string, AdmissionHandler>): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), 'webhook-'));
  const authority = await createCertificateAuthority(folder);
  const files = await authority.serverCertificate('webhook', ['127.0.0.1']);
  const [certificate, key, ca] = await Promise.all(
    [files.certificate, files.key, authority.certificate].map((file) => readFile(file, 'utf8')),
  );
  if (certificate === undefined || key === undefined || ca === undefined) throw new Error('no certificate');
  const server = await startAdmissionServer({
    port: 0,
    host: '127.0.0.1',
    certificate: { current: () => ({ certificate, key }), onChange: () => () => undefined },
    handlers,
    metrics: createAdmissionMetrics(new Registry()),
    logger: fakeLogger(),
    clock: systemClock,
  });
  return {
    connect: (path) => ({
      url: `https://127.0.0.1:${server.port}${path}`,
      caBundle: Buffer.from(ca).toString('base64'),
    }),
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
