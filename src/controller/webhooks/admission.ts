import type { Registry } from 'prom-client';
import { createAdmissionMetrics } from '../../admission/admission-metrics.ts';
import type { AdmissionHandler } from '../../admission/admission-review.ts';
import type { CertificateStore } from '../../admission/certificate/store.ts';
import { startAdmissionServer } from '../../admission/server.ts';
import { WEBHOOK_SECRET } from '../../api/names.ts';
import type { Clock } from '../../kube/clock.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { Transport } from '../../kube/transport.ts';
import { startWatchCache } from '../../kube/watch-cache.ts';
import type { Logger } from '../../log.ts';
import type { WebhookSecret } from './keep-certificate.ts';

export interface AdmissionOptions {
  /** The operator's own namespace, where the Secret is. */
  namespace: string;
  /** 0: any free port. */
  webhookPort: number;
}

export interface AdmissionParts {
  transport: Transport;
  registry: Registry;
  certificates: CertificateStore;
  /** By path. */
  handlers: ReadonlyMap<string, AdmissionHandler>;
  logger: Logger;
  clock: Clock;
  random: () => number;
}

/** What every replica does, the leader or not: serve the webhooks with the certificate of the Secret. */
export interface Admission {
  port: number;
  certificates: CertificateStore;
  /** The Secret as last seen. */
  secret: () => WebhookSecret | undefined;
  /** Resolves when it is known whether there is a Secret; rejects if it is stopped before. */
  ready: Promise<void>;
  serves(path: string): boolean;
  /** Answers the calls in flight. */
  stop(): Promise<void>;
}

/** Throws what the system says if the port cannot be used. */
export async function startAdmission(options: AdmissionOptions, parts: AdmissionParts): Promise<Admission> {
  const { certificates, clock, handlers, logger } = parts;
  const server = await startAdmissionServer({
    port: options.webhookPort,
    certificate: certificates,
    handlers,
    metrics: createAdmissionMetrics(parts.registry),
    logger,
    clock,
  });
  const stop = new AbortController();
  const secrets = startWatchCache<WebhookSecret, WebhookSecret>({
    transport: parts.transport,
    resource: SECRETS,
    namespace: options.namespace,
    fieldSelector: `metadata.name=${WEBHOOK_SECRET}`,
    project: (secret) => secret,
    onChange: (_key, secret) => certificates.changed(secret),
    onError: (error, retryInMs) => logger.warn('watch', { kind: SECRETS.kind, error, retryInMs }),
    signal: stop.signal,
    clock,
    random: parts.random,
  });
  return {
    port: server.port,
    certificates,
    secret: () => secrets.values()[0],
    ready: secrets.ready,
    serves: (path) => handlers.has(path),
    async stop() {
      await server.stop();
      stop.abort();
      await secrets.stopped;
    },
  };
}
