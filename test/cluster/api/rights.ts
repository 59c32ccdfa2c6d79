import { bearerOf, creation, NAMESPACE, tokenOf, type Caller } from './installation.ts';

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

/**
 * What RBAC lets a ServiceAccount do, cluster-wide and in a namespace, as `kubectl auth can-i --list` asks it, without what
 * every ServiceAccount may: resource (and names where only these) → verbs.
 */
export async function grantedRights(
  admin: Caller,
  caller: Caller,
  namespace = NAMESPACE,
): Promise<Record<string, string>> {
  const anybody = await bearerOf(await tokenOf(admin, { namespace: 'default', name: 'default' }));
  try {
    const common = await rights(anybody, namespace);
    const all = Object.entries(await rights(caller, namespace));
    return Object.fromEntries(all.filter(([resource, verbs]) => common[resource] !== verbs));
  } finally {
    await anybody.close();
  }
}

async function rights(caller: Caller, namespace: string): Promise<Record<string, string>> {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews';
  const answer = (await caller.ask(creation(path, { spec: { namespace } }))) as { status: { resourceRules: Rule[] } };
  const found: Record<string, string[]> = {};
  for (const { apiGroups, resources, verbs, resourceNames } of answer.status.resourceRules) {
    for (const resource of resources) {
      const [plural = '', subresource] = resource.split('/');
      const group = apiGroups.join() === '' ? '' : `.${apiGroups.join()}`;
      const names = resourceNames === undefined ? '' : ` ${resourceNames.join()}`;
      const key = plural + group + (subresource === undefined ? '' : `/${subresource}`) + names;
      found[key] = [...(found[key] ?? []), ...verbs].sort();
    }
  }
  return Object.fromEntries(Object.entries(found).map(([key, verbs]) => [key, verbs.join(' ')]));
}
