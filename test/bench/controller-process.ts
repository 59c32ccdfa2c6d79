import { mkdir, writeFile, readFile, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { CompilerPaths } from '../../src/policy/compile.ts';
import { bundle } from '../../scripts/bundle.ts';
import { freePort } from '../testbed/api-endpoint.ts';
import type { ControlPlane } from '../testbed/control-plane.ts';
import { start, waitFor, withSignal, type OwnedProcess } from '../testbed/process.ts';
import { kubectl } from './kubectl.ts';

/** The controller's bundle, as in the image and as in a pod: no kubeconfig, a ServiceAccount in its usual folder. */
export interface BenchController {
  pid(): number;
  /** Lines of its log so far, of all its lives. */
  log(): string;
  start(): Promise<void>;
  /** As a kubelet does: it releases its Lease. */
  stop(): Promise<void>;
  /** What the kernel says of the process: bytes resident now and at most so far, seconds of processor time. */
  usage(): Promise<{ residentBytes: number; peakBytes: number; cpuSeconds: number }>;
}

export interface BenchControllerOptions {
  controlPlane: ControlPlane;
  namespace: string;
  compiler: CompilerPaths;
  folder: string;
  nodeFlags: readonly string[];
  /** Default: one that nobody has. */
  agentImage?: string;
  /** That of the control plane, if it has one. */
  networkNamespace?: string;
  signal?: AbortSignal;
}

const IDENTITY = 'bench-controller';

export async function prepareController(options: BenchControllerOptions): Promise<BenchController> {
  const { controlPlane, folder, compiler, namespace } = options;
  const { agentImage = 'registry.example/apparmor-operator:bench', networkNamespace } = options;
  const inside = networkNamespace === undefined ? [] : ['ip', 'netns', 'exec', networkNamespace];
  await mkdir(folder, { recursive: true });
  const output = join(folder, 'controller.mjs');
  await bundle('controller', { entry: join(import.meta.dirname, '../../src/main.ts'), output });
  const account = join(folder, 'account');
  await mkdir(account);
  const tokenOf = ['create', 'token', 'apparmor-operator-controller', `--namespace=${namespace}`, '--duration=6h'];
  await writeFile(join(account, 'token'), (await kubectl(controlPlane, tokenOf)).trim());
  await copyFile(controlPlane.authority.certificate, join(account, 'ca.crt'));
  const webhookPort = await freePort();
  const { hostname, port } = new URL(controlPlane.clusterUrl);
  let process: OwnedProcess | undefined;
  let log = '';

  const running = (): OwnedProcess => {
    if (process === undefined || !process.running())
      throw new Error(`the controller does not run: ${log.slice(-2000)}`);
    return process;
  };

  return {
    pid: () => running().pid ?? 0,
    log: () => log,
    async start() {
      const begun = log.length;
      const flags = [
        `--namespace=${namespace}`,
        `--webhook-port=${webhookPort}`,
        `--webhook-url=https://127.0.0.1:${webhookPort}`,
        `--apparmor-parser=${compiler.parser}`,
        `--policy-folder=${compiler.basePath}`,
        `--agent-image=${agentImage}`,
        '--health-port=0',
      ];
      const nodeFlags = [...(await flagsInManifest()), ...options.nodeFlags];
      const program = [globalThis.process.execPath, ...nodeFlags, output, 'controller', ...flags];
      const pod = ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', IN_POD, account, ...program];
      process = start('env', ['--', ...inside, ...pod], {
        name: IDENTITY,
        env: { POD_NAME: IDENTITY, KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
        onOutput: (text) => {
          log += text;
        },
        ...withSignal(options),
      });
      await waitFor(
        'the controller to lead',
        { deadlineMs: 60_000, processes: [process], ...withSignal(options) },
        () => log.slice(begun).includes('"leading"'),
      );
    },
    async stop() {
      await process?.stop();
    },
    async usage() {
      const status = await readFile(`/proc/${running().pid}/status`, 'utf8');
      const kilobytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
      const stat = await readFile(`/proc/${running().pid}/stat`, 'utf8');
      // Fields 14 and 15 of proc(5), counted behind the command's name; Linux tells them in hundredths of a second.
      const times = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return {
        residentBytes: kilobytes('VmRSS') * 1024,
        peakBytes: kilobytes('VmHWM') * 1024,
        cpuSeconds: (Number(times[11]) + Number(times[12])) / 100,
      };
    },
  };
}

/** Those that the Deployment gives Node.js. */
async function flagsInManifest(): Promise<string[]> {
  const path = join(import.meta.dirname, '../../manifests/controller/deployment.yaml');
  const { spec } = parse(await readFile(path, 'utf8')) as {
    spec: { template: { spec: { containers: { command: string[] }[] } } };
  };
  const command = spec.template.spec.containers[0]?.command ?? [];
  const program = command.indexOf('/app/controller.mjs');
  if (program < 1) throw new Error(`${path}: no command that starts the controller`);
  return command.slice(1, program);
}

/** $0 is the ServiceAccount's files. In a mount namespace of its own, so that the machine's /run stays as it is. */
const IN_POD = `
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp "$0"/* /run/secrets/kubernetes.io/serviceaccount/
exec "$@"`;
