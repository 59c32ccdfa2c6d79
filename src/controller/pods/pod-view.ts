import { CONFINED_BY_ANNOTATION, readConfinedBy } from '../../admission/pods/confined-by.ts';
import { readPod, type PodSubject } from '../../admission/pods/pod-subject.ts';
import { APPARMOR_ANNOTATION, MIRROR_ANNOTATION } from '../../admission/pods/rule.ts';
import { createSharing } from '../sharing.ts';

/** v1 Pod, as far as it is read here; what the rule for pods reads is read by readPod. */
export interface KubePod {
  metadata?: {
    name?: string;
    namespace?: string;
    uid?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    ownerReferences?: { kind: string; name: string; uid: string; controller?: boolean }[];
  };
  spec?: {
    nodeName?: string;
    securityContext?: SecurityContext;
    initContainers?: Container[];
    containers?: Container[];
    ephemeralContainers?: Container[];
  };
  status?: {
    phase?: string;
    conditions?: { type: string; status: string }[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

interface Container {
  name?: string;
  securityContext?: SecurityContext;
}

interface SecurityContext {
  privileged?: boolean;
  appArmorProfile?: { type?: string; localhostProfile?: string };
}

interface ContainerStatus {
  name: string;
  state?: { running?: { startedAt?: string } };
}

/** What the controller's cache keeps of a pod that is bound to a node and has not ended. */
export interface PodView {
  name: string;
  uid: string;
  nodeName: string;
  /** Its Ready condition is True. */
  ready: boolean;
  deleting: boolean;
  /** Of each of `shape.subject.containers`, in their order: seconds since the epoch when what runs was started; 0: nothing runs. */
  runningSince: readonly number[];
  shape: PodShape;
}

/** What pods of one template have in common; equal ones share it, so that a pod costs a few hundred bytes. */
export interface PodShape {
  namespace: string;
  /** The owner that replaces the pod; absent: nobody does. */
  owner?: PodOwner;
  /**
   * As the rule sees it, but that each container's `profile` is the one in effect, its own or the pod's, and `annotations`
   * are those only that concern AppArmor.
   */
  subject: PodSubject;
  /** Names of the profiles that any of its fields and annotations ask the node for; sorted, each once. */
  profiles: readonly string[];
  /** Names of privileged containers. */
  privileged: readonly string[];
  /** By name of a container: the AppArmorProfile whose rule gave it its profile, as our annotation notes it. */
  givenBy: Readonly<Record<string, string>>;
}

export interface PodOwner {
  kind: string;
  name: string;
  uid: string;
}

/** The cache's projection. */
export type PodViewer = (pod: KubePod) => PodView | undefined;

/**
 * The projection, undefined for a pod that concerns no node. Measured with 50,000 pods, their places in cache and index included:
 * 500 bytes for a pod where twenty share a shape, 1,200 where labels of its own, as of a StatefulSet, give it a shape of its own.
 */
export function createPodViewer(): PodViewer {
  const shared = createSharing();
  const nodeNames = new Map<string, string>();

  function sharedName(nodeName: string): string {
    const known = nodeNames.get(nodeName);
    if (known !== undefined) return known;
    if (nodeNames.size >= MOST_NODE_NAMES) nodeNames.clear();
    nodeNames.set(nodeName, nodeName);
    return nodeName;
  }

  function shapeFor(pod: KubePod): PodShape {
    const shape = shapeOf(pod);
    return shared(shape, () => {
      const { subject, owner, profiles, privileged, givenBy } = shape;
      const { containers, annotations, nodeSelector } = subject;
      return {
        ...shape,
        ...(owner === undefined ? {} : { owner: shared(owner) }),
        subject: {
          ...subject,
          containers: shared(containers),
          annotations: shared(annotations),
          nodeSelector: shared(nodeSelector),
        },
        profiles: shared(profiles),
        privileged: shared(privileged),
        givenBy: shared(givenBy),
      };
    });
  }

  return (pod) => {
    const { metadata, spec, status } = pod;
    const nodeName = spec?.nodeName ?? '';
    const phase = status?.phase;
    if (nodeName === '' || phase === 'Succeeded' || phase === 'Failed') return undefined;
    const shape = shapeFor(pod);
    return {
      name: metadata?.name ?? '',
      uid: metadata?.uid ?? '',
      nodeName: sharedName(nodeName),
      ready: status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false,
      deleting: metadata?.deletionTimestamp !== undefined,
      runningSince: runningSince(pod, shape.subject),
      shape,
    };
  };
}

/** Twice the nodes of the largest clusters, so that names of nodes that are gone do not add up. */
const MOST_NODE_NAMES = 10_000;

export function samePod(left: PodView, right: PodView): boolean {
  return (
    left.shape === right.shape &&
    left.uid === right.uid &&
    left.nodeName === right.nodeName &&
    left.ready === right.ready &&
    left.deleting === right.deleting &&
    left.runningSince.every((since, index) => since === right.runningSince[index])
  );
}

/**
 * Names of the profiles that a pod's fields and annotations ask its node for; sorted, each once. One that is named anywhere
 * counts, though another setting may take its place: fields of pod and container as well as the annotation that old kubelets
 * read.
 */
export function namedProfiles(pod: KubePod): readonly string[] {
  return [...new Set([...namedInFields(pod), ...namedInAnnotations(pod)])].sort();
}

function shapeOf(pod: KubePod): PodShape {
  const subject = effective(readPod(pod));
  const { kind, name, uid } = pod.metadata?.ownerReferences?.find(({ controller }) => controller === true) ?? {};
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return {
    namespace: pod.metadata?.namespace ?? '',
    ...(kind === undefined || name === undefined || uid === undefined ? {} : { owner: { kind, name, uid } }),
    subject,
    profiles: namedProfiles(pod),
    privileged: containers.flatMap((one) => (one.securityContext?.privileged === true ? [one.name ?? ''] : [])),
    givenBy: givenBy(pod.metadata?.annotations?.[CONFINED_BY_ANNOTATION]),
  };
}

/** A kubelet takes the container's profile, else the pod's, else that of the annotation. */
function effective({ profile: podProfile, ...subject }: PodSubject): PodSubject {
  const ours = Object.entries(subject.annotations).filter(
    ([key]) => key.startsWith(APPARMOR_ANNOTATION) || key === MIRROR_ANNOTATION,
  );
  const containers = subject.containers.map((container) => {
    const profile = container.profile ?? podProfile;
    return profile === undefined ? container : { ...container, profile };
  });
  return { ...subject, annotations: Object.fromEntries(ours), containers };
}

function givenBy(note: string | undefined): Record<string, string> {
  const entries = Object.entries(readConfinedBy(note) ?? {});
  return Object.fromEntries(entries.flatMap(([object, { containers }]) => containers.map((name) => [name, object])));
}

function runningSince({ status }: KubePod, { containers }: PodSubject): readonly number[] {
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return containers.map(({ name }) => {
    const running = statuses.find((one) => one.name === name)?.state?.running;
    // What runs since nobody knows when has been running for ever.
    return running === undefined ? 0 : Math.max(1, Math.floor((Date.parse(running.startedAt ?? '') || 1) / 1000));
  });
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
  return Object.entries(metadata?.annotations ?? {}).flatMap(([key, value]) =>
    key.startsWith(APPARMOR_ANNOTATION) && value.startsWith(LOCALHOST) ? [value.slice(LOCALHOST.length)] : [],
  );
}
