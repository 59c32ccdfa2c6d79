import { Counter, Histogram, type Registry } from 'prom-client';

/**
 * How a call ended: what was decided, or why nothing was. `invalid`: not an AdmissionReview; `busy`: too many at once;
 * `error`: the handler threw; `timeout`: it took too long; `gone`: the API server hung up before the answer.
 */
export type AdmissionOutcome = 'allowed' | 'refused' | 'invalid' | 'busy' | 'error' | 'timeout' | 'gone';

export interface AdmissionMetrics {
  /** `path` is one that is served, or `other`: whoever calls must not be able to add label values. */
  answered(path: string, outcome: AdmissionOutcome, seconds: number): void;
}

/** Registers the admission server's metrics. */
export function createAdmissionMetrics(registry: Registry): AdmissionMetrics {
  const requests = new Counter({
    name: 'apparmor_controller_admission_requests_total',
    help: 'Calls of the API server to this replica’s webhooks, by path and outcome.',
    labelNames: ['path', 'outcome'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'apparmor_controller_admission_duration_seconds',
    help: 'From a call’s headers to its answer.',
    labelNames: ['path'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return {
    answered(path, outcome, seconds) {
      requests.inc({ path, outcome });
      duration.observe({ path }, seconds);
    },
  };
}
