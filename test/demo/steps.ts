import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';

/** Runs kubectl against the demo's cluster. */
export type Kubectl = (
  args: readonly string[],
  options?: { input?: string },
) => Promise<{ stdout: string; stderr: string; code: number }>;

export interface DemoOptions {
  kubectl: Kubectl;
  /** What `kubectl apply -k` is given: manifests/default, or an overlay that sets the image. */
  kustomization: string;
  /** Folder of the sample objects. */
  samples: string;
  /** Image of the demo's pods; it needs `sh`, `touch`, `cat` and `sleep`. */
  podImage: string;
  print: (line: string) => void;
  signal: AbortSignal;
}

/** A step of the demo did not show what it must. */
export class DemoError extends Error {
  override name = 'DemoError';
}

const OPERATOR_NAMESPACE = 'apparmor-operator';
const DEMO_NAMESPACE = 'apparmor-operator-demo';
const SAMPLE = 'k8s-apparmor-example-deny-write';
const CRD = 'apparmorprofiles.apparmor-operator.dev';

/** Refuses a cluster that has the operator already: the demo would take it away at its end. */
export async function refuseWhenInstalled({ kubectl }: DemoOptions): Promise<void> {
  const found = await kubectl(['get', 'crd', CRD, '--ignore-not-found', '-o', 'name']);
  if (found.code !== 0) throw new DemoError(`the cluster does not answer: ${found.stderr.trim()}`);
  if (found.stdout.trim() !== '') {
    throw new DemoError(
      `the cluster has ${CRD} already: the demo installs and removes the operator, so it wants a cluster without it`,
    );
  }
}

/** Installs the operator and waits until its controller and one agent per node run. */
export async function install(options: DemoOptions): Promise<void> {
  heading(options, 'install the operator: kubectl apply -k manifests/default');
  await must(options, ['apply', '-k', options.kustomization]);
  await must(options, ['rollout', 'status', 'deployment', '-n', OPERATOR_NAMESPACE, '--timeout=180s']);
  await until(options, 'the controller creates the agent DaemonSet', async () => {
    const { stdout } = await options.kubectl(['get', 'daemonset', '-n', OPERATOR_NAMESPACE, '-o', 'name']);
    return stdout.trim() !== '';
  });
  await must(options, ['rollout', 'status', 'daemonset', '-n', OPERATOR_NAMESPACE, '--timeout=180s']);
}

/** Applies the samples, waits for Ready, and shows what a user sees and what each node's kernel holds. */
export async function applySamples(options: DemoOptions): Promise<void> {
  heading(options, 'apply the samples: kubectl apply -f profiles/');
  await must(options, ['apply', '-f', options.samples]);
  await must(options, ['wait', '--for=condition=Ready', 'apparmorprofiles', '--all', '--timeout=120s']);
  await show(options, ['get', 'apparmorprofiles', '-o', 'wide']);
  await show(options, ['get', 'apparmornodes']);
  const names = await sampleProfiles(options.samples);
  for (const { node, profiles } of await kernelLists(options)) {
    options.print(
      `  kernel of ${node}: ${profiles.filter((line) => names.some((name) => line.startsWith(`${name} (`))).join(', ')}`,
    );
    const missing = names.filter((name) => !profiles.some((line) => line.startsWith(`${name} (`)));
    if (missing.length > 0) throw new DemoError(`the kernel of ${node} lacks ${missing.join(', ')}`);
  }
}

/** A pod that names the profile runs and is refused a write; the same pod without it is not. */
export async function proveConfinement(options: DemoOptions): Promise<void> {
  heading(options, 'a pod that names the profile, and one that does not');
  await must(options, ['create', 'namespace', DEMO_NAMESPACE]);
  await must(
    options,
    ['apply', '-f', '-'],
    [demoPod('confined', options.podImage, SAMPLE), demoPod('free', options.podImage)].join('---\n'),
  );
  await must(options, ['wait', '-n', DEMO_NAMESPACE, '--for=condition=Ready', 'pod', '--all', '--timeout=120s']);
  await expectRefused(options, 'confined', ['touch', '/tmp/written']);
  await expectAllowed(options, 'free', ['touch', '/tmp/written']);
  await expectAllowed(options, 'confined', ['cat', '/etc/hostname']);
}

/** A changed policy is in every kernel and in force on the pod that is running. */
export async function changePolicy(options: DemoOptions): Promise<void> {
  heading(options, 'change the policy: reading /etc/hostname is denied too');
  const before = await revisionOf(options);
  const sample = await must(options, ['get', 'apparmorprofile', SAMPLE, '-o', 'jsonpath={.spec.policy}']);
  const policy = sample.replace(/deny \/\*\* w[a-z]*,/, (rule) => `${rule}\n  deny /etc/hostname r,`);
  if (policy === sample) throw new DemoError(`the sample ${SAMPLE} has no rule 'deny /** w' to change`);
  await must(options, ['patch', 'apparmorprofile', SAMPLE, '--type=merge', '-p', JSON.stringify({ spec: { policy } })]);
  await until(options, 'the new revision is Ready', async () => {
    const revision = await revisionOf(options);
    return revision !== before && (await isReady(options));
  });
  await show(options, ['get', 'apparmorprofiles', SAMPLE]);
  const revision = await revisionOf(options);
  const { stdout } = await options.kubectl([
    'get',
    'apparmornodes',
    '-o',
    `jsonpath={range .items[*]}{.metadata.name}={.status.loaded.${SAMPLE}} {end}`,
  ]);
  options.print(`  revision ${before} -> ${revision}; in the kernels: ${stdout.trim()}`);
  const stale = stdout
    .trim()
    .split(' ')
    .filter((entry) => !entry.endsWith(`=${revision}`));
  if (stale.length > 0) throw new DemoError(`not every node holds revision ${revision}: ${stale.join(' ')}`);
  await expectRefused(options, 'confined', ['cat', '/etc/hostname']);
  await expectRefused(options, 'confined', ['touch', '/tmp/written']);
  await expectAllowed(options, 'free', ['cat', '/etc/hostname']);
}

/** Takes away what the demo made. The profiles stay in the kernels: the operator never removes what may be in use. */
export async function cleanUp({ kubectl, kustomization, samples, print }: DemoOptions): Promise<void> {
  print('\n== clean up');
  for (const args of [
    ['delete', 'namespace', DEMO_NAMESPACE, '--ignore-not-found', '--timeout=120s'],
    ['delete', '-f', samples, '--ignore-not-found'],
    ['delete', '-k', kustomization, '--ignore-not-found', '--timeout=120s'],
  ]) {
    const { code, stderr } = await kubectl(args);
    if (code !== 0) print(`  left behind: kubectl ${args.join(' ')}: ${stderr.trim()}`);
  }
}

function heading({ print, signal }: DemoOptions, title: string): void {
  signal.throwIfAborted();
  print(`\n== ${title}`);
}

async function must({ kubectl, signal }: DemoOptions, args: readonly string[], input?: string): Promise<string> {
  signal.throwIfAborted();
  const { stdout, stderr, code } = await kubectl(args, input === undefined ? {} : { input });
  if (code !== 0) throw new DemoError(`kubectl ${args.join(' ')} failed: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

async function show(options: DemoOptions, args: readonly string[]): Promise<void> {
  options.print(`\n$ kubectl ${args.join(' ')}\n${(await must(options, args)).trimEnd()}`);
}

async function until(options: DemoOptions, what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await condition())) {
    options.signal.throwIfAborted();
    if (Date.now() > deadline) throw new DemoError(`after two minutes it is still not so that ${what}`);
    await delay(500, undefined, { signal: options.signal });
  }
}

/** What each node's kernel lists, read in the agent's container: the demo has no other way into a user's nodes. */
async function kernelLists(options: DemoOptions): Promise<{ node: string; profiles: string[] }[]> {
  const pods = await must(options, [
    'get', 'pods', '-n', OPERATOR_NAMESPACE, '-l', 'app.kubernetes.io/component=agent',
    '-o', 'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name}{"\\n"}{end}',
  ]); // prettier-ignore
  const lists: { node: string; profiles: string[] }[] = [];
  for (const line of pods.trim().split('\n')) {
    const [node = '', pod = ''] = line.split(' ');
    const list = await must(options, [
      'exec',
      '-n',
      OPERATOR_NAMESPACE,
      pod,
      '--',
      'cat',
      '/sys/kernel/security/apparmor/profiles',
    ]);
    lists.push({ node, profiles: list.trim().split('\n') });
  }
  if (lists.length === 0) throw new DemoError('no agent runs');
  return lists;
}

async function sampleProfiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()) {
    const object = parse(await readFile(join(folder, file), 'utf8')) as { kind?: string; spec?: { policy?: string } };
    if (object.kind !== 'AppArmorProfile') continue;
    const name = /^profile (\S+)/m.exec(object.spec?.policy ?? '')?.[1];
    if (name === undefined) throw new DemoError(`${file} defines no profile`);
    names.push(name);
  }
  return names;
}

async function revisionOf(options: DemoOptions): Promise<string> {
  return must(options, ['get', 'apparmorprofile', SAMPLE, '-o', 'jsonpath={.status.revision}']);
}

async function isReady(options: DemoOptions): Promise<boolean> {
  const object = JSON.parse(await must(options, ['get', 'apparmorprofile', SAMPLE, '-o', 'json'])) as {
    metadata: { generation: number };
    status?: { conditions?: { type: string; status: string; observedGeneration?: number }[] };
  };
  return (object.status?.conditions ?? []).some(
    ({ type, status, observedGeneration }) =>
      type === 'Ready' && status === 'True' && observedGeneration === object.metadata.generation,
  );
}

async function expectRefused(options: DemoOptions, pod: string, command: readonly string[]): Promise<void> {
  const { stderr, code } = await options.kubectl(['exec', '-n', DEMO_NAMESPACE, pod, '--', ...command]);
  options.print(`  ${pod}: ${command.join(' ')} -> ${code === 0 ? 'allowed' : stderr.trim().split('\n')[0]}`);
  if (code === 0 || !stderr.includes('Permission denied')) {
    throw new DemoError(`pod ${pod} should have been refused '${command.join(' ')}'`);
  }
}

async function expectAllowed(options: DemoOptions, pod: string, command: readonly string[]): Promise<void> {
  const { stderr, code } = await options.kubectl(['exec', '-n', DEMO_NAMESPACE, pod, '--', ...command]);
  options.print(`  ${pod}: ${command.join(' ')} -> ${code === 0 ? 'allowed' : stderr.trim()}`);
  if (code !== 0) throw new DemoError(`pod ${pod} should have been allowed '${command.join(' ')}'`);
}

function demoPod(name: string, image: string, profile?: string): string {
  return (
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: DEMO_NAMESPACE },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'demo',
            image,
            command: ['sleep', '3600'],
            ...(profile === undefined
              ? {}
              : { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: profile } } }),
          },
        ],
      },
    }) + '\n'
  );
}
