import { POD_CONFIGURATIONS, POD_WEBHOOK_PATH, podEntries } from '../../admission/pods/entries.ts';
import type { RuleBook } from '../../admission/pods/rule-book.ts';
import { REVIEW_WEBHOOK } from '../../api/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS } from '../../kube/resource.ts';
import type { Logger } from '../../log.ts';
import type { Admission } from './admission.ts';
import { createCertificateKeeper, type CertificateKeeper } from './keep-certificate.ts';
import {
  createConfigurationsKeeper,
  type ConfigurationsKeeper,
  type KeptConfiguration,
} from './keep-configurations.ts';
import { REVIEW_PATH, reviewEntries } from './review-webhook.ts';
import { caBundlesOf, namesOf, type WebhookConfiguration, type WebhookTarget } from './webhook-configuration.ts';

export interface WebhooksOptions {
  /** Name under which the API server notes our writes. */
  manager: string;
  target: WebhookTarget;
}

export interface WebhooksParts {
  client: KubeClient;
  clock: Clock;
  events: EventRecorder;
  logger: Logger;
  admission: Pick<Admission, 'certificates' | 'secret' | 'serves'>;
  reviewConfiguration: () => WebhookConfiguration | undefined;
  podConfiguration: (name: string) => WebhookConfiguration | undefined;
  book: Pick<RuleBook, 'groups'>;
}

/** What the leader does for the webhooks of all replicas. */
export interface WebhooksKeeper {
  certificate: CertificateKeeper;
  configurations: ConfigurationsKeeper;
  /** Names of the configurations that are kept. */
  names: readonly string[];
}

/** A configuration is kept only if what it calls is served: nobody is to wait for what is not there. */
export function createWebhooksKeeper({ manager, target }: WebhooksOptions, parts: WebhooksParts): WebhooksKeeper {
  const { admission, client, clock, events, logger } = parts;
  const kept = new Map<string, KeptConfiguration>();
  if (admission.serves(REVIEW_PATH)) {
    const resource = VALIDATING_WEBHOOK_CONFIGURATIONS;
    kept.set(REVIEW_WEBHOOK, { resource, live: parts.reviewConfiguration, entries: reviewEntries });
  }
  if (admission.serves(POD_WEBHOOK_PATH)) {
    for (const name of POD_CONFIGURATIONS) {
      kept.set(name, {
        resource: MUTATING_WEBHOOK_CONFIGURATIONS,
        live: () => parts.podConfiguration(name),
        entries: (connect) => {
          const groups = parts.book.groups();
          const { entries, leftOut } = podEntries(name, groups, { ownNamespace: target.namespace, connect });
          for (const { rules } of leftOut) {
            const objects = rules.map(({ object }) => object.name);
            logger.warn('no room for these pod rules in their webhook configuration', { name, objects });
          }
          return entries;
        },
      });
    }
  }
  return {
    certificate: createCertificateKeeper({
      client,
      clock,
      logger,
      namespace: target.namespace,
      names: namesOf(target),
      live: admission.secret,
      caBundles: () => [...kept.values()].flatMap(({ live }) => caBundlesOf(live())),
    }),
    configurations: createConfigurationsKeeper({
      client,
      clock,
      events,
      logger,
      manager,
      target,
      certificate: admission.certificates.stored,
      kept,
    }),
    names: [...kept.keys()],
  };
}
