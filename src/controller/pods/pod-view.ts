import { APPARMOR_ANNOTATION } from '../../admission/pods/rule.ts';

/** v1 Pod, as far as it is read here. */
export interface KubePod {
  metadata: { name?: string; annotations?: Record<string, string> };
  spec?: {
    nodeName?: string;
    securityContext?: SecurityContext;
    initContainers?: Container[];
    containers?: Container[];
    ephemeralContainers?: Container[];
  };
  status?: { phase?: string };
}

interface Container {
  securityContext?: SecurityContext;
}

interface SecurityContext {
  appArmorProfile?: { type?: string; localhostProfile?: string };
}

/** What the controller's cache keeps of a pod that is bound to a node, has not ended and names a profile. */
export interface PodView {
  nodeName: string;
  /** Names of the profiles that its fields and annotations ask the node for; sorted, each once, at least one. */
  profiles: readonly string[];
}

/** Pods that concern a node: what the API server leaves out is neither sent nor parsed. One that is ending counts. */
export const RUNNING_PODS = 'spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed';

/**
 * The cache's projection; undefined for what no node's profile depends on. A profile that is named anywhere counts, though
 * another setting may take its place: fields of pod and container as well as the annotation that old kubelets read.
 */
export function viewPod(pod: KubePod): PodView | undefined {
  const nodeName = pod.spec?.nodeName ?? '';
  const phase = pod.status?.phase;
  if (nodeName === '' || phase === 'Succeeded' || phase === 'Failed') return undefined;
  const profiles = new Set([...namedInFields(pod), ...namedInAnnotations(pod)]);
  if (profiles.size === 0) return undefined;
  return { nodeName, profiles: [...profiles].sort() };
}

export function samePod(left: PodView, right: PodView): boolean {
  return (
    left.nodeName === right.nodeName &&
    left.profiles.length === right.profiles.length &&
    left.profiles.every((name, index) => name === right.profiles[index])
  );
}

function namedInFields({ spec = {} }: KubePod): string[] {
  const contexts = [spec.initContainers, spec.containers, spec.ephemeralContainers].flatMap(
    (containers) => containers?.map(({ securityContext }) => securityContext) ?? [],
  );
  return [spec.securityContext, ...contexts].flatMap((context) => {
    const name = context?.appArmorProfile?.localhostProfile;
    return name === undefined ? [] : [name];
  });
}

const LOCALHOST = 'localhost/';

function namedInAnnotations({ metadata }: KubePod): string[] {
  return Object.entries(metadata.annotations ?? {}).flatMap(([key, value]) =>
    key.startsWith(APPARMOR_ANNOTATION) && value.startsWith(LOCALHOST) ? [value.slice(LOCALHOST.length)] : [],
  );
}
