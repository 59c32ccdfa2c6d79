import {
  created,
  planCertificate,
  promoted,
  retired,
  staged,
  type CertificatePlan,
} from '../../admission/certificate/plan.ts';
import {
  authoritiesIn,
  checkCertificate,
  readCertificate,
  writeCertificate,
  type CertificateSecret,
  type CertificateState,
  type CheckedCertificate,
} from '../../admission/certificate/stored.ts';
import { WEBHOOK_SECRET } from '../../api/names.ts';
import type { OwnerReference } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { readOwner, WITHOUT_OWNER_MS } from '../keeping/owner.ts';
import { putObject } from '../keeping/put-object.ts';
import type { NewMeta } from '../new-meta.ts';
import { WEBHOOK_LABELS } from './webhook-configuration.ts';

/** v1 Secret. */
export interface WebhookSecret extends CertificateSecret {
  metadata: NewMeta;
  type?: string;
}

export interface CertificateKeeperParts {
  client: KubeClient;
  clock: Clock;
  logger: Logger;
  namespace: string;
  /** DNS names and IP addresses under which the API server calls. */
  names: readonly string[];
  live(): WebhookSecret | undefined;
  /** What the API server trusts now, in PEM: the `caBundle` of every webhook of ours. */
  caBundles(): readonly string[];
}

/** Keeps the Secret with the webhooks' certificate, for one term of leadership. */
export interface CertificateKeeper {
  /** The key is of no account: there is one. */
  keep(key: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
}

/** Each API server learns of a changed webhook configuration by a watch, which takes milliseconds. */
const SETTLED_MS = 10_000;

/** The plan's times are the wall clock's, which may be set: looked at twice a day whatever it says. */
const LOOK_MS = 12 * 3_600_000;

export function createCertificateKeeper(parts: CertificateKeeperParts): CertificateKeeper {
  const { client, clock, logger, names, namespace } = parts;
  /** Since when the API server has been told to trust the next certificate. */
  let told: { authority: string; at: number } | undefined;

  async function keep(_key: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const owner = await readOwner(client, signal);
    if (owner === undefined) return { requeueAfterMs: WITHOUT_OWNER_MS };
    const live = parts.live();
    if (live?.metadata.deletionTimestamp !== undefined) return undefined;
    const now = clock.date();
    const plan = planCertificate(readCertificate(live), now, names);
    const waitMs = mayPromote(plan);
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const state = await stateAfter(plan, now);
    if (state !== undefined) {
      if (await write(parts, secretOf(state, live, owner, namespace), signal)) tell(plan);
      return undefined;
    }
    if (live !== undefined && !hasOwner(live, owner)) {
      const { data = {} } = live;
      await write(parts, { ...live, metadata: metadataOf(live, owner, namespace), data }, signal);
      return undefined;
    }
    const until = plan.kind === 'keep' ? plan.until.getTime() - now.getTime() : 0;
    return { requeueAfterMs: Math.min(LOOK_MS, Math.max(1000, until)) };
  }

  /** Milliseconds still to wait; nothing is served under an authority that the API server was not told to trust. */
  function mayPromote(plan: CertificatePlan): number {
    if (plan.kind !== 'rotate' || plan.step !== 'promote') return 0;
    const bundles = parts.caBundles();
    if (bundles.length === 0) return 0;
    const authority = plan.state.next?.authority ?? '';
    if (!bundles.every((bundle) => authoritiesIn(bundle).includes(authority))) {
      told = undefined;
      return SETTLED_MS;
    }
    if (told?.authority !== authority) told = { authority, at: clock.now() };
    return told.at + SETTLED_MS - clock.now();
  }

  /** Undefined: it stays as it is. */
  async function stateAfter(plan: CertificatePlan, now: Date): Promise<CertificateState | undefined> {
    if (plan.kind === 'keep') return undefined;
    if (plan.kind === 'create') {
      return created(await issue(now), [...new Set(parts.caBundles().flatMap(authoritiesIn))], now);
    }
    if (plan.step === 'stage') return staged(plan.state, await issue(now), now);
    return plan.step === 'promote' ? promoted(plan.state, now) : retired(plan.state, now);
  }

  async function issue(now: Date): Promise<CheckedCertificate> {
    // Only here: the X.509 library costs 5 MB, and most leaders find a certificate that is good for weeks.
    const { issueCertificate } = await import('../../admission/certificate/issue.ts');
    return checkCertificate(issueCertificate(names, now));
  }

  function tell(plan: CertificatePlan): void {
    if (plan.kind === 'create') {
      const level = plan.reason === 'there is none' ? 'info' : 'warn';
      logger[level](`the webhook certificate was made anew: ${plan.reason}`, { names });
    } else if (plan.kind === 'rotate') {
      logger.info(`the webhook certificate is rotated: ${STEP_WORDS[plan.step]}`);
    }
  }

  return { keep };
}

const STEP_WORDS = {
  stage: 'the next one is made, and its authority trusted from now on',
  promote: 'the next one is served from now on',
  retire: 'the authority of the last one is trusted no more',
} as const;

function secretOf(
  state: CertificateState,
  live: WebhookSecret | undefined,
  owner: OwnerReference,
  namespace: string,
): WebhookSecret {
  const { metadata: written, data } = writeCertificate(state);
  const metadata = metadataOf(live, owner, namespace);
  return {
    type: live?.type ?? 'Opaque',
    metadata: { ...metadata, annotations: { ...metadata.annotations, ...written.annotations } },
    data,
  };
}

/** What others put there stays; with the resourceVersion that was seen, so that nothing newer is overwritten. */
function metadataOf(live: WebhookSecret | undefined, owner: OwnerReference, namespace: string): NewMeta {
  const { uid, resourceVersion, labels, annotations } = live?.metadata ?? {};
  return {
    name: WEBHOOK_SECRET,
    namespace,
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(annotations === undefined ? {} : { annotations }),
    labels: { ...labels, ...WEBHOOK_LABELS },
    ownerReferences: [owner],
  };
}

function hasOwner({ metadata }: WebhookSecret, owner: OwnerReference): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === owner.uid) === true;
}

/** False if somebody was faster. */
async function write({ client }: CertificateKeeperParts, secret: WebhookSecret, signal: AbortSignal): Promise<boolean> {
  const how = secret.metadata.resourceVersion === undefined ? 'create' : 'replace';
  return (await putObject(how, secret, { client, resource: SECRETS }, signal)) !== undefined;
}
