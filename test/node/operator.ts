import type { AppArmorNode, AppArmorProfile, AppArmorProfileSpec } from '../../src/api/generated/index.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE } from '../../src/api/resources.ts';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { workloadImage } from '../testbed/workload-image.ts';
import { client, cluster } from './fixture.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';

/** How long a condition may take on a node under software emulation before the test fails. */
export const DEADLINE_MS = 180_000;

/** Runs kubectl on the cluster and returns what it prints. Throws with its message when it fails. */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const { stdout, stderr, code } = await tryKubectl(args, input);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

/** The same for calls that are meant to fail. */
export async function tryKubectl(
  args: readonly string[],
  input?: string,
): Promise<{ stdout: string; stderr: string; code: number }> {
  return cluster().controlPlane.kubectl(args, input === undefined ? {} : { input });
}

/** Applies AppArmorProfiles as a user would, by name; all at once, since what they ask for is done side by side. */
export async function applyProfiles(specs: Readonly<Record<string, AppArmorProfileSpec>>): Promise<void> {
  const items = Object.entries(specs).map(([name, spec]) => ({
    apiVersion: 'apparmor-operator.dev/v1alpha1',
    kind: 'AppArmorProfile',
    metadata: { name },
    spec,
  }));
  await kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

export async function applyProfile(name: string, spec: AppArmorProfileSpec): Promise<void> {
  await applyProfiles({ [name]: spec });
}

export async function getProfile(name: string): Promise<AppArmorProfile> {
  return client().get<AppArmorProfile>(APPARMOR_PROFILE, { name });
}

/** Waits until the object's status speaks of its current generation and fulfils the condition. */
export async function profileWhen(
  name: string,
  what: string,
  condition: (profile: AppArmorProfile) => boolean,
): Promise<AppArmorProfile> {
  let last: AppArmorProfile | undefined;
  try {
    return await waitFor(`${name}: ${what}`, { deadlineMs: DEADLINE_MS, intervalMs: 300 }, async () => {
      last = await getProfile(name);
      return last.status?.observedGeneration === last.metadata?.generation && condition(last) ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${name}: ${what}: not so; its status: ${JSON.stringify(last?.status)}`, { cause: error });
  }
}

export function isReady(profile: AppArmorProfile): boolean {
  return conditionOf(profile, 'Ready')?.status === 'True';
}

export function conditionOf(profile: AppArmorProfile, type: string) {
  return profile.status?.conditions?.find((condition) => condition.type === type);
}

/** Waits until each is Ready. */
export async function profilesReady(names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => profileReady(name)));
}

/** Waits for Ready and returns the object. */
export async function profileReady(name: string): Promise<AppArmorProfile> {
  return profileWhen(name, 'Ready', isReady);
}

export async function getNodeReport(node: TestNode): Promise<AppArmorNode> {
  return client().get<AppArmorNode>(APPARMOR_NODE, { name: node.name });
}

export async function nodeReportWhen(
  node: TestNode,
  what: string,
  condition: (report: AppArmorNode) => boolean,
): Promise<AppArmorNode> {
  return waitFor(`${node.name}: ${what}`, { deadlineMs: DEADLINE_MS, intervalMs: 300 }, async () => {
    const report = await getNodeReport(node);
    return condition(report) ? report : undefined;
  });
}

/** What a node's kernel holds: `NAME (mode)` of its list, by name. Asked in the node, past every part of ours. */
export async function kernelProfiles(node: TestNode): Promise<Map<string, string>> {
  const { stdout } = await inNode(node, 'cat /sys/kernel/security/apparmor/profiles');
  return new Map(
    stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const cut = line.lastIndexOf(' (');
        return [line.slice(0, cut), line.slice(cut + 2, -1)];
      }),
  );
}

/** SHA-256 of the bytes that a profile was loaded from, as the node's kernel tells it; SHA-1 where it is older than 6.8. */
export async function kernelHash(node: TestNode, profile: string): Promise<string> {
  // One process instead of one for each profile of the node, which would take seconds.
  const script = `cd /sys/kernel/security/apparmor/policy/profiles && file=$(grep -lxF '${profile}' */name) && cat "\${file%name}raw_sha"*; :`;
  return (await inNode(node, script)).stdout.trim();
}

/** Runs a script as root in a node; throws when it fails. */
export async function inNode(node: TestNode, script: string): Promise<{ stdout: string; stderr: string }> {
  const result = await node.run(script);
  if (result.code !== 0) throw new Error(`${node.name}: ${script}: exit ${result.code}: ${result.stderr}`);
  return result;
}

export interface PodOptions {
  name: string;
  node?: TestNode;
  nodeSelector?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
  profile?: string;
  command?: readonly string[];
}

/** Starts a pod of the test namespace and waits until it runs. */
export async function runPod(options: PodOptions): Promise<void> {
  await runPods([options]);
}

/** Starts pods together and waits until all run. Measured: three on a node take little longer than one. */
export async function runPods(pods: readonly PodOptions[]): Promise<void> {
  await createPods(pods);
  await podsReady(pods.map(({ name }) => name));
}

export async function podsReady(names: readonly string[]): Promise<void> {
  const pods = names.map((name) => `pod/${name}`);
  await kubectl(['wait', '-n', POD_NAMESPACE, '--for=condition=Ready', ...pods, '--timeout=180s']);
}

export async function createPods(pods: readonly PodOptions[]): Promise<void> {
  await kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: pods.map(pod) }));
}

function pod({ name, node, nodeSelector, labels, profile, command = ['sleep', '100000'] }: PodOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: POD_NAMESPACE, ...(labels === undefined ? {} : { labels }) },
    spec: {
      terminationGracePeriodSeconds: 0,
      ...(node === undefined ? {} : { nodeName: node.name }),
      ...(nodeSelector === undefined ? {} : { nodeSelector }),
      containers: [
        {
          name: 'main',
          image: workloadImage,
          imagePullPolicy: 'Never',
          command,
          ...(profile === undefined
            ? {}
            : { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: profile } } }),
        },
      ],
    },
  };
}

/** Runs a command in a pod; its failure is for the caller to judge. */
export async function inPod(
  pod: string,
  command: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  return tryKubectl(['exec', '-n', POD_NAMESPACE, pod, '--', ...command]);
}

/** The AppArmor label of a pod's first process, as the kernel knows it: `NAME (mode)` or `unconfined`. */
export async function confinementOf(pod: string): Promise<string> {
  return (await kubectl(['exec', '-n', POD_NAMESPACE, pod, '--', 'cat', '/proc/1/attr/current'])).trim();
}
