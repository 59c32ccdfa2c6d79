import type { Resource } from '../kube/resource.ts';
import { API_GROUP, API_VERSION } from './names.ts';

export type { ObjectMeta, OwnerReference } from '../kube/resource.ts';

export const APPARMOR_PROFILE = {
  group: API_GROUP,
  version: API_VERSION,
  plural: 'apparmorprofiles',
  namespaced: false,
  kind: 'AppArmorProfile',
} as const satisfies Resource;

export const APPARMOR_NODE = {
  group: API_GROUP,
  version: API_VERSION,
  plural: 'apparmornodes',
  namespaced: false,
  kind: 'AppArmorNode',
} as const satisfies Resource;
