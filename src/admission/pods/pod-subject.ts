import { isRecord } from '../../api/json.ts';
import type { Labels } from './label-selector.ts';

/** What the rule reads of a pod. */
export interface PodSubject {
  labels: Labels;
  annotations: Readonly<Record<string, string>>;
  /** Whether metadata has annotations at all, be they none. */
  hasAnnotations: boolean;
  /** spec.os.name. */
  os?: string;
  nodeSelector: Readonly<Record<string, string>>;
  priorityClassName?: string;
  /** spec.securityContext.appArmorProfile. */
  profile?: AppArmorProfileField;
  /** Init containers, native sidecars among them, and containers, in this order. Ephemeral ones never: a pod is created without. */
  containers: readonly PodContainer[];
}

export interface PodContainer {
  name: string;
  list: 'initContainers' | 'containers';
  /** Position in its list. */
  index: number;
  hasSecurityContext: boolean;
  profile?: AppArmorProfileField;
}

/** securityContext.appArmorProfile as it stands there, valid or not. */
export interface AppArmorProfileField {
  type?: string;
  localhostProfile?: string;
}

export class NotAPodError extends Error {
  override readonly name = 'NotAPodError';
}

/** Reads a v1 Pod. Throws NotAPodError where a member is not of the type that the API server would store. */
export function readPod(object: unknown): PodSubject {
  const pod = record(object, 'the object');
  const metadata = optional(pod['metadata'], 'metadata');
  const spec = record(pod['spec'], 'spec');
  const os = optional(spec['os'], 'spec.os')['name'];
  const priorityClassName = spec['priorityClassName'];
  return {
    labels: strings(metadata['labels'], 'metadata.labels'),
    annotations: strings(metadata['annotations'], 'metadata.annotations'),
    hasAnnotations: metadata['annotations'] !== undefined && metadata['annotations'] !== null,
    ...(typeof os === 'string' ? { os } : {}),
    nodeSelector: strings(spec['nodeSelector'], 'spec.nodeSelector'),
    ...(typeof priorityClassName === 'string' ? { priorityClassName } : {}),
    ...profileIn(optional(spec['securityContext'], 'spec.securityContext')),
    containers: [...containersIn(spec, 'initContainers'), ...containersIn(spec, 'containers')],
  };
}

function containersIn(spec: Record<string, unknown>, list: PodContainer['list']): PodContainer[] {
  const containers = spec[list] ?? [];
  if (!Array.isArray(containers)) throw new NotAPodError(`spec.${list} is not a list`);
  return containers.map((item: unknown, index) => {
    const path = `spec.${list}[${index}]`;
    const container = record(item, path);
    const { name, securityContext } = container;
    if (typeof name !== 'string') throw new NotAPodError(`${path}.name is not a string`);
    return {
      name,
      list,
      index,
      hasSecurityContext: securityContext !== undefined && securityContext !== null,
      ...profileIn(optional(securityContext, `${path}.securityContext`)),
    };
  });
}

function profileIn({ appArmorProfile }: Record<string, unknown>): { profile?: AppArmorProfileField } {
  if (appArmorProfile === undefined || appArmorProfile === null) return {};
  const { type, localhostProfile } = record(appArmorProfile, 'appArmorProfile');
  return {
    profile: {
      ...(typeof type === 'string' ? { type } : {}),
      ...(typeof localhostProfile === 'string' ? { localhostProfile } : {}),
    },
  };
}

function strings(value: unknown, path: string): Readonly<Record<string, string>> {
  const members = optional(value, path);
  if (isStrings(members)) return members;
  throw new NotAPodError(`${path} has a member that is not a string`);
}

function isStrings(members: Record<string, unknown>): members is Record<string, string> {
  return Object.values(members).every((member) => typeof member === 'string');
}

function optional(value: unknown, path: string): Record<string, unknown> {
  return value === undefined || value === null ? {} : record(value, path);
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new NotAPodError(`${path} is not an object`);
}
