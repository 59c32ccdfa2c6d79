import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppArmorNode, AppArmorNodeStatus, AppArmorProfile } from '../../../src/api/generated/index.ts';
import { CONTROLLER_LEASE, LABEL } from '../../../src/api/names.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE, type ObjectMeta } from '../../../src/api/resources.ts';
import type { ControllerRevision } from '../../../src/controller/revisions/revision-view.ts';
import { createKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import { isNotFound } from '../../../src/kube/errors.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { CONTROLLER_REVISIONS, EVENTS, LEASES, NODES } from '../../../src/kube/resource.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import { trixieAppArmor } from '../../corpus/trixie-parser.ts';
import { defaultCacheFolder } from '../../testbed/cache.ts';
import { freePort } from '../../testbed/api-endpoint.ts';
import { createOwner, start, waitFor, type OwnedProcess } from '../../testbed/process.ts';
import { installOperator, kubectl, NAMESPACE, ROOT } from '../api/installation.ts';
import { controlPlane } from '../fixture.ts';

/** A controller in a process of its own, with the rights of its ServiceAccount, as in a cluster. */
export interface RunningController {
  identity: string;
  process: OwnedProcess;
  /** Where the API server reaches its webhooks. */
  webhookPort: number;
  /** Lines of its log so far. */
  log(): string;
  /** As a node that loses power: nothing is released. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** The operator's manifests, Nodes without machines, and a client with all rights. */
export interface TestOperator {
  client: KubeClient;
  /** With these flags besides. It compiles as in the image: the parser, abi and abstractions of Debian 13. */
  startController(identity: string, flags?: readonly string[]): Promise<RunningController>;
  /** A Node that is Ready and stays it. */
  createNode(name: string, labels?: Record<string, string>): Promise<{ uid: string }>;
  /** From now on its kubelet is silent, and says that it is not ready. */
  makeNotReady(name: string): Promise<void>;
  stop(): Promise<void>;
}

export const BOOT_ID = '3f1c2a52-0000-4000-8000-000000000001';

export async function startOperator(): Promise<TestOperator> {
  const owner = createOwner();
  const transport = createTransport(kubeconfigAccess(controlPlane().kubeconfig), {
    userAgent: 'cluster-test',
    timeoutMs: 30_000,
  });
  owner.add(() => transport.close());
  const client = createKubeClient(transport);
  await installOperator();
  const nodes = new Set<string>();
  const beating = new AbortController();
  const heart = keepAlive(client, nodes, beating.signal);
  owner.add(async () => {
    beating.abort();
    await heart;
  });

  return {
    client,
    async startController(identity, flags = []) {
      const controller = await startProcess(identity, client, flags);
      owner.add(() => controller.stop());
      return controller;
    },
    async createNode(name, labels = {}) {
      const node = await client.create<{ metadata: ObjectMeta }>(NODES, nodeObject(name, labels) as never);
      nodes.add(name);
      owner.add(() => ignoreNotFound(client.delete(NODES, { name })));
      return node.metadata;
    },
    async makeNotReady(name) {
      nodes.delete(name);
      const status = { conditions: [{ type: 'Ready', status: 'False', reason: 'Test', message: 'test' }] };
      await kubectl(['patch', 'node', name, '--subresource=status', '-p', JSON.stringify({ status })]);
    },
    stop: () => owner.stop(),
  };
}

async function startProcess(
  identity: string,
  client: KubeClient,
  flags: readonly string[],
): Promise<RunningController> {
  const kubeconfig = await controlPlane().tokenKubeconfig({
    namespace: NAMESPACE,
    serviceAccount: 'apparmor-operator-controller',
  });
  await ownPod(identity);
  let log = '';
  const webhookPort = await freePort();
  const args = ['src/main.ts', 'controller', `--kubeconfig=${kubeconfig}`, `--namespace=${NAMESPACE}`];
  const webhook = [`--webhook-port=${webhookPort}`, `--webhook-url=https://127.0.0.1:${webhookPort}`];
  const { compiler } = await trixieAppArmor({ folder: defaultCacheFolder(process.env), log: console.log });
  const policies = [`--apparmor-parser=${compiler.parser}`, `--policy-folder=${compiler.basePath}`];
  const child = start(process.execPath, [...args, ...webhook, ...policies, '--health-port=0', ...flags], {
    name: identity,
    cwd: ROOT,
    env: { POD_NAME: identity },
    onOutput: (text) => {
      log += text;
    },
  });
  await waitFor(`${identity} to start`, { deadlineMs: 20_000, processes: [child] }, () => log.includes('"started"'));
  await waitFor(
    'somebody to lead',
    { deadlineMs: 30_000, processes: [child] },
    async () => (await leader(client)) !== '',
  );
  return {
    identity,
    process: child,
    webhookPort,
    log: () => log,
    async kill() {
      if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
      await child.exited;
    },
    stop: () => child.stop(),
  };
}

/** The pod that the controller believes to run in; no kubelet ever starts it. */
async function ownPod(name: string): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      containers: [{ name: 'controller', image: OWN_IMAGE, imagePullPolicy: 'IfNotPresent' }],
      imagePullSecrets: [{ name: 'registry' }],
      nodeSelector: { never: 'scheduled' },
      terminationGracePeriodSeconds: 0,
    },
  };
  await kubectl(['apply', '-f', '-'], { input: JSON.stringify(pod) });
}

export const OWN_IMAGE = 'registry.example/apparmor-operator:test';

export async function leader(client: KubeClient): Promise<string> {
  const key = { namespace: NAMESPACE, name: CONTROLLER_LEASE };
  const lease = await client.get<{ spec?: { holderIdentity?: string } }>(LEASES, key);
  return lease.spec?.holderIdentity ?? '';
}

function nodeObject(name: string, labels: Record<string, string>): object {
  return {
    metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name, ...labels } },
    status: {
      conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: 'test', ...times() }],
      nodeInfo: {
        bootID: BOOT_ID,
        machineID: '',
        systemUUID: '',
        kernelVersion: '6.12',
        osImage: 'test',
        containerRuntimeVersion: 'test',
        kubeletVersion: 'v1.37.2',
        kubeProxyVersion: '',
        operatingSystem: labels['kubernetes.io/os'] ?? 'linux',
        architecture: 'amd64',
      },
    },
  };
}

function times(): object {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return { lastHeartbeatTime: now, lastTransitionTime: now };
}

/** The node controller marks a Node Unknown 50 s after it last saw its kubelet's Lease change. */
async function keepAlive(client: KubeClient, nodes: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const name of nodes) await renew(client, name).catch(() => undefined);
    await sleep(10_000, undefined, { signal }).catch(() => undefined);
  }
}

async function renew(client: KubeClient, name: string): Promise<void> {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const lease = {
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime },
  };
  await client.apply(LEASES, lease, { fieldManager: 'cluster-test', force: true });
}

/** Applies an AppArmorProfile and returns it as stored. */
export async function applyProfile(client: KubeClient, name: string, spec: object): Promise<AppArmorProfile> {
  const object = {
    metadata: { name },
    spec,
  };
  return client.apply<AppArmorProfile>(APPARMOR_PROFILE, object, { fieldManager: 'cluster-test', force: true });
}

export async function getProfile(client: KubeClient, name: string): Promise<AppArmorProfile> {
  return client.get<AppArmorProfile>(APPARMOR_PROFILE, { name });
}

/** Waits until the object's status speaks of its generation and is as asked. */
export async function profileWhen(
  client: KubeClient,
  name: string,
  what: string,
  fits: (profile: AppArmorProfile, ready: string) => boolean,
): Promise<AppArmorProfile> {
  let last: AppArmorProfile | undefined;
  try {
    return await waitFor(`${name}: ${what}`, { deadlineMs: 15_000 }, async () => {
      last = await getProfile(client, name);
      if (last.status?.observedGeneration !== last.metadata.generation) return undefined;
      return fits(last, readyOf(last)) ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${name} never became: ${what}; its status is ${JSON.stringify(last?.status)}`, { cause: error });
  }
}

/** As `False/Progressing`. */
export function readyOf({ status }: AppArmorProfile): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return `${ready?.status}/${ready?.reason}`;
}

/** The object's revisions, the one in force last. */
export async function revisionsOf(client: KubeClient, uid: string): Promise<ControllerRevision[]> {
  const { items } = await client.list<ControllerRevision>(CONTROLLER_REVISIONS, {
    namespace: NAMESPACE,
    labelSelector: `${LABEL.objectUid}=${uid}`,
  });
  return items.sort((left, right) => sequenceOf(left) - sequenceOf(right));
}

export function sequenceOf({ metadata }: ControllerRevision): number {
  return Number(metadata.annotations?.['apparmor-operator.dev/sequence']);
}

export async function rowWhen(client: KubeClient, name: string): Promise<AppArmorNode> {
  return waitFor(`the AppArmorNode ${name}`, { deadlineMs: 15_000 }, () =>
    client.get<AppArmorNode>(APPARMOR_NODE, { name }),
  );
}

/** What an agent on the node would report. */
export async function report(client: KubeClient, node: string, status: AppArmorNodeStatus): Promise<void> {
  const patch = { status: { bootID: BOOT_ID, enforcing: true, loaded: null, problems: null, ...status } };
  await client.mergePatch(APPARMOR_NODE, { name: node }, patch, { subresource: 'status' });
}

export interface KubeEvent {
  type: string;
  reason: string;
  note: string;
  regarding: { kind: string; name: string };
}

/** Waits for an Event about an object whose note fits. */
export async function eventWhen(client: KubeClient, name: string, reason: string, note: RegExp): Promise<KubeEvent> {
  let seen: string[] = [];
  try {
    return await waitFor(`an Event ${reason} about ${name}`, { deadlineMs: 10_000 }, async () => {
      const { items } = await client.list<KubeEvent>(EVENTS);
      const about = items.filter(({ regarding }) => regarding.name === name);
      seen = about.map((event) => `${event.reason}: ${event.note}`);
      return about.find((event) => event.reason === reason && note.test(event.note));
    });
  } catch (error) {
    throw new Error(`no Event ${reason} ${note} about ${name}, but: ${seen.join(' | ')}`, { cause: error });
  }
}

export function uniqueName(word: string): string {
  return `${word}-${randomBytes(3).toString('hex')}`;
}

export async function ignoreNotFound(done: Promise<unknown>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
