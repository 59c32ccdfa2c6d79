import type { Clock } from '../../kube/clock.ts';
import type { Logger } from '../../log.ts';
import type { CertificateSource, ServingCertificate } from './source.ts';
import { readCertificate, type CertificateSecret, type CheckedCertificate, type StoredCertificate } from './stored.ts';

export interface CertificateStoreParts {
  /** `namespace/name` of the Secret, for messages. */
  secret: string;
  clock: Pick<Clock, 'date'>;
  logger: Logger;
}

/** The replica's view of the Secret, and what it serves: the last whole certificate, also while the Secret is damaged or gone. */
export interface CertificateStore extends CertificateSource {
  /** Undefined: there is no Secret. */
  changed: (secret: CertificateSecret | undefined) => void;
  /** `missing` also before the Secret was looked for. */
  stored: () => StoredCertificate;
  /** Called at each change of the Secret, until the returned function is called. */
  onStored: (listener: () => void) => () => void;
  /** Why this replica cannot serve, or undefined. */
  problem: () => string | undefined;
}

export function createCertificateStore({ secret: name, clock, logger }: CertificateStoreParts): CertificateStore {
  let stored: StoredCertificate = { kind: 'missing' };
  let serving: CheckedCertificate | undefined;
  const servingListeners = new Set<() => void>();
  const storedListeners = new Set<() => void>();

  function serve(next: CheckedCertificate): void {
    if (next.certificate === serving?.certificate) return;
    serving = next;
    const { serialNumber, validTo } = next.leaf;
    logger.info('serves webhooks with another certificate', { serialNumber, until: validTo });
    servingListeners.forEach((listener) => listener());
  }

  return {
    changed(secret) {
      stored = readCertificate(secret);
      if (stored.kind === 'damaged') logger.warn(`Secret ${name} is damaged: ${stored.reason}`);
      else if (stored.kind === 'whole' && stored.state.current !== undefined) serve(stored.state.current);
      storedListeners.forEach((listener) => listener());
    },
    stored: () => stored,
    current: (): ServingCertificate | undefined => serving,
    onChange: (listener) => added(servingListeners, listener),
    onStored: (listener) => added(storedListeners, listener),
    problem() {
      if (serving === undefined) return `no certificate to serve webhooks with: ${lack(name, stored)}`;
      const { validToDate } = serving.leaf;
      if (validToDate.getTime() > clock.date().getTime()) return undefined;
      return `the webhook certificate ended at ${validToDate.toISOString()}: the leader has to replace Secret ${name}`;
    },
  };
}

function added(listeners: Set<() => void>, listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function lack(name: string, stored: StoredCertificate): string {
  if (stored.kind === 'missing') return `Secret ${name}, which the leader makes, is not there`;
  if (stored.kind === 'damaged') {
    return `Secret ${name}, which the leader will make anew, is damaged: ${stored.reason}`;
  }
  return `that of Secret ${name} is served as soon as the API server was told to trust it`;
}
