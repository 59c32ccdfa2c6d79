import { Registry } from 'prom-client';
import type { AdmissionLimits } from '../../../src/admission/admission-call.ts';
import { createAdmissionMetrics } from '../../../src/admission/admission-metrics.ts';
import type { AdmissionHandler } from '../../../src/admission/admission-review.ts';
import { issueCertificate } from '../../../src/admission/certificate/issue.ts';
import type { CertificateSource } from '../../../src/admission/certificate/source.ts';
import { checkCertificate, type CheckedCertificate } from '../../../src/admission/certificate/stored.ts';
import { startAdmissionServer, type AdmissionServer } from '../../../src/admission/server.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { fakeLogger, type FakeLogger } from '../controller/fake-client.ts';
import { HOST } from './webhook-client.ts';

/** A certificate that a test replaces by hand. */
export interface ManualCertificate extends CertificateSource {
  set(next: CheckedCertificate | undefined): void;
}

export function manualCertificate(current?: CheckedCertificate): ManualCertificate {
  const listeners = new Set<() => void>();
  let now = current;
  return {
    current: () => now,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(next) {
      now = next;
      listeners.forEach((listener) => listener());
    },
  };
}

export function newCertificate(): CheckedCertificate {
  return checkCertificate(issueCertificate([HOST], new Date()));
}

export interface AdmissionWorld {
  server: AdmissionServer;
  certificate: ManualCertificate;
  /** PEM of the first certificate's authority. */
  ca: readonly string[];
  logger: FakeLogger;
  /** `PATH OUTCOME` → calls. */
  counted(): Promise<Record<string, number>>;
}

/** A server on a port of its own with a certificate for 127.0.0.1. */
export async function startWorld(
  handlers: Record<string, AdmissionHandler>,
  limits: Partial<AdmissionLimits> = {},
): Promise<AdmissionWorld> {
  const first = newCertificate();
  const certificate = manualCertificate(first);
  const logger = fakeLogger();
  const registry = new Registry();
  const server = await startAdmissionServer({
    port: 0,
    host: HOST,
    certificate,
    handlers: new Map(Object.entries(handlers)),
    metrics: createAdmissionMetrics(registry),
    logger,
    clock: systemClock,
    limits,
  });
  return {
    server,
    certificate,
    ca: [first.authority],
    logger,
    async counted() {
      const metric = await registry.getSingleMetric('apparmor_controller_admission_requests_total')?.get();
      const values = metric?.values ?? [];
      return Object.fromEntries(values.map(({ labels, value }) => [`${labels['path']} ${labels['outcome']}`, value]));
    },
  };
}
