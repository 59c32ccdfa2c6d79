import { API_VERSION } from '../../api/names.ts';
import { APPARMOR_PROFILE } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { ObjectMeta, Resource } from '../../kube/resource.ts';

/** Whether the API server serves AppArmorProfiles, so that an object that is not there was deleted, and not its kind. */
export type KindState =
  | { kind: 'served' }
  | { kind: 'notServed'; why: string }
  /** The API server could not be asked. */
  | { kind: 'unknown'; why: string; error: unknown };

/** Asks the API server, each time: the objects of a kind that is being removed vanish after it says so. Throws only the signal's reason. */
export async function askKindServed(client: Pick<KubeClient, 'get'>, signal: AbortSignal): Promise<KindState> {
  try {
    return kindState(await client.get<Definition>(DEFINITIONS, { name: PROFILES_DEFINITION }, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (isNotFound(error)) return { kind: 'notServed', why: `CustomResourceDefinition ${PROFILES_DEFINITION} is gone` };
    return { kind: 'unknown', why: `CustomResourceDefinition ${PROFILES_DEFINITION} cannot be read`, error };
  }
}

/** apiextensions.k8s.io/v1 CustomResourceDefinition, as far as it is read here. */
export interface Definition {
  metadata: ObjectMeta;
  spec?: { versions?: { name: string; served: boolean }[] };
  status?: { conditions?: { type: string; status: string }[] };
}

export function kindState({ metadata, spec, status }: Definition): KindState {
  const name = `CustomResourceDefinition ${PROFILES_DEFINITION}`;
  if (metadata.deletionTimestamp !== undefined) return { kind: 'notServed', why: `${name} is being deleted` };
  if (spec?.versions?.some((version) => version.name === API_VERSION && version.served) !== true) {
    return { kind: 'notServed', why: `${name} does not serve ${API_VERSION}` };
  }
  const established = status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True');
  return established === true ? { kind: 'served' } : { kind: 'notServed', why: `${name} is not Established` };
}

const PROFILES_DEFINITION = `${APPARMOR_PROFILE.plural}.${APPARMOR_PROFILE.group}`;

const DEFINITIONS: Resource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
  kind: 'CustomResourceDefinition',
};
