import type { HealthCheck, HealthChecks } from '../health.ts';
import type { Clock } from '../kube/clock.ts';

/** What the kubelet is told. */
export interface Readiness {
  /** The loop is alive. */
  beat(): void;
  /** Why the first full pass is not done; undefined: it is. Once done, it stays done: what is loaded stays loaded. */
  firstPass(missing: FirstPass | undefined): void;
  loop: HealthCheck;
  checks: HealthChecks;
}

export interface FirstPass {
  check: 'api-server' | 'policies';
  reason: string;
}

/** A pass awaits the kernel and the disk, never a compile or the API server. */
const SILENCE_MS = 300_000;

export function createReadiness(clock: Clock): Readiness {
  let lastBeat = clock.now();
  let missing: FirstPass | undefined = { check: 'api-server', reason: 'the agent starts' };
  const reasonFor = (check: FirstPass['check']): string | undefined =>
    missing?.check === check ? missing.reason : undefined;
  return {
    beat: () => void (lastBeat = clock.now()),
    firstPass: (now) => void (missing = missing === undefined ? undefined : now),
    loop: () => {
      const silence = clock.now() - lastBeat;
      return silence > SILENCE_MS ? `no pass began for ${Math.round(silence / 1000)} s` : undefined;
    },
    checks: { 'api-server': () => reasonFor('api-server'), policies: () => reasonFor('policies') },
  };
}
