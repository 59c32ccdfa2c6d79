import { APPARMOR_PROFILE } from '../../api/resources.ts';
import type { WebhookClientConfig, WebhookEntry } from './webhook-configuration.ts';

/** Where the review of AppArmorProfiles is served. */
export const REVIEW_PATH = '/review/apparmorprofiles';

/**
 * The one entry of the review. Nothing depends on it: the controller reviews again before it publishes, so when it cannot be
 * called the object is stored. A trial compile may take 8 s.
 */
export function reviewEntries(connect: (path: string) => WebhookClientConfig): WebhookEntry[] {
  const { group, version, plural } = APPARMOR_PROFILE;
  return [
    {
      name: `review.${group}`,
      admissionReviewVersions: ['v1'],
      clientConfig: connect(REVIEW_PATH),
      rules: [
        {
          apiGroups: [group],
          apiVersions: [version],
          operations: ['CREATE', 'UPDATE', 'DELETE'],
          resources: [plural],
          scope: 'Cluster',
        },
      ],
      failurePolicy: 'Ignore',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      sideEffects: 'None',
      timeoutSeconds: 10,
    },
  ];
}
