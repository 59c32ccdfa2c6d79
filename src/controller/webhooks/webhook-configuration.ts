import { createHash } from 'node:crypto';
import { ANNOTATION, LABEL, WEBHOOK_SERVICE } from '../../api/names.ts';
import type { OwnerReference } from '../../api/resources.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { ManagedFields } from '../keeping/last-editor.ts';
import type { NewMeta } from '../new-meta.ts';

/** `admissionregistration.k8s.io/v1` ValidatingWebhookConfiguration or MutatingWebhookConfiguration. */
export interface WebhookConfiguration {
  metadata: NewMeta & { managedFields?: ManagedFields[] };
  webhooks?: readonly WebhookEntry[];
}

/**
 * ValidatingWebhook, or MutatingWebhook with `reinvocationPolicy`. Every field that the API server would default is given, so
 * that what is stored can be compared with what is wanted.
 */
export interface WebhookEntry {
  /** Unique in the configuration; a domain name of three parts at least. */
  name: string;
  admissionReviewVersions: ['v1'];
  clientConfig: WebhookClientConfig;
  rules: readonly WebhookRule[];
  failurePolicy: 'Fail' | 'Ignore';
  matchPolicy: 'Equivalent' | 'Exact';
  /** `{}`: all. */
  namespaceSelector: LabelSelector;
  objectSelector: LabelSelector;
  sideEffects: 'None';
  /** 1 to 30. */
  timeoutSeconds: number;
  matchConditions?: readonly { name: string; expression: string }[];
  /** Of a MutatingWebhook only. */
  reinvocationPolicy?: 'Never' | 'IfNeeded';
}

export type WebhookClientConfig =
  | { service: { namespace: string; name: string; path: string; port: number }; caBundle: string }
  | { url: string; caBundle: string };

export interface WebhookRule {
  apiGroups: readonly string[];
  apiVersions: readonly string[];
  operations: readonly string[];
  resources: readonly string[];
  scope: 'Cluster' | 'Namespaced' | '*';
}

/** `meta/v1` LabelSelector. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** Where the API server finds the webhooks: the Service in `namespace`, or a URL without a trailing slash. */
export interface WebhookTarget {
  namespace: string;
  url?: string;
}

export const WEBHOOK_LABELS = {
  [LABEL.name]: 'apparmor-operator',
  [LABEL.component]: 'webhook',
  [LABEL.managedBy]: 'apparmor-operator',
} as const;

/** How the API server reaches a path, trusting the authorities (PEM). */
export function clientConfig(
  { namespace, url }: WebhookTarget,
  path: string,
  authorities: readonly string[],
): WebhookClientConfig {
  const caBundle = Buffer.from(authorities.join('')).toString('base64');
  if (url !== undefined) return { url: `${url}${path}`, caBundle };
  return { service: { namespace, name: WEBHOOK_SERVICE, path, port: 443 }, caBundle };
}

/** Names and addresses that the certificate has to be for. The API server asks for the form that ends in `svc`. */
export function namesOf({ namespace, url }: WebhookTarget): string[] {
  const service = `${WEBHOOK_SERVICE}.${namespace}.svc`;
  const host = url === undefined ? [] : [new URL(url).hostname.replace(/^\[|\]$/g, '')];
  return [...host, service, `${service}.cluster.local`];
}

/** The configuration as it should be stored. */
export function configurationOf(
  name: string,
  webhooks: readonly WebhookEntry[],
  owner: OwnerReference,
): WebhookConfiguration {
  const hash = createHash('sha256').update(canonicalJson(webhooks)).digest('hex').slice(0, 16);
  return {
    metadata: {
      name,
      labels: WEBHOOK_LABELS,
      annotations: { [ANNOTATION.specHash]: hash },
      ownerReferences: [owner],
    },
    webhooks,
  };
}

/** The trusted authorities of each webhook, in PEM. */
export function caBundlesOf(configuration: WebhookConfiguration | undefined): string[] {
  return (configuration?.webhooks ?? []).map(({ clientConfig }) =>
    // The API server takes a configuration without one, and then trusts the system's authorities.
    Buffer.from((clientConfig as Partial<WebhookClientConfig>).caBundle ?? '', 'base64').toString('utf8'),
  );
}
