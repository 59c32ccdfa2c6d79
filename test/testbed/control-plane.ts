import { mkdir, readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Cache } from './cache.ts';
import { findEndpoint, loopback } from './api-endpoint.ts';
import { createCertificateAuthority, createKeyPair, type CertificateAuthority } from './certificates.ts';
import {
  apiServerArguments,
  controllerManagerArguments,
  etcdArguments,
  firstServiceAddress,
  schedulerArguments,
  type ControlPlaneFiles,
} from './control-plane-arguments.ts';
import { writeKubeconfig, type Credentials } from './kubeconfig.ts';
import { kubernetesBinary } from './kubernetes-binary.ts';
import {
  createOwner,
  run,
  start,
  waitFor,
  WaitError,
  type CommandResult,
  type OwnedProcess,
  type Owner,
} from './process.ts';

export interface ControlPlaneOptions {
  cache: Cache;
  /** For certificates, logs and etcd; made if missing, not removed by `stop`. */
  folder: string;
  /** For etcd's Unix sockets, whose paths may have 107 bytes; default: `folder`. */
  socketFolder?: string;
  /** Runs inside this network namespace, at an address of it that nodes reach; default: on 127.0.0.1. */
  namespace?: { name: string; address: string };
  /** Default true. */
  scheduler?: boolean;
  apiServerArguments?: readonly string[];
  controllerManagerArguments?: readonly string[];
  /** Default 120,000 ms; measured: about 10 s. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

export interface ControlPlane {
  /** Path of the administrator's kubeconfig, for use on this machine. */
  kubeconfig: string;
  /** The API server as this machine reaches it. */
  url: string;
  /** The API server as nodes reach it; the same as `url` without a namespace. */
  clusterUrl: string;
  folder: string;
  /** Path of the binary that is all of Kubernetes, kubelet and kube-proxy included. */
  binary: string;
  authority: CertificateAuthority;
  /** Runs kubectl as administrator, or with another kubeconfig; does not throw for an exit code. */
  kubectl: (args: readonly string[], options?: KubectlOptions) => Promise<CommandResult>;
  /** A kubeconfig that authenticates by client certificate, for this machine or for use on a node. */
  certificateKubeconfig: (o: { name: string; groups: readonly string[]; from?: Viewpoint }) => Promise<string>;
  /** A kubeconfig with a fresh token of a ServiceAccount that exists. */
  tokenKubeconfig: (o: { namespace: string; serviceAccount: string; from?: Viewpoint }) => Promise<string>;
  /** Ends the API server as a crash does; resolves once it is gone. */
  killApiServer: () => Promise<void>;
  /** Starts it again, with the same arguments at the same address; resolves when it is ready. */
  startApiServer: () => Promise<void>;
  stop: () => Promise<void>;
}

export interface KubectlOptions {
  input?: string;
  kubeconfig?: string;
  signal?: AbortSignal;
}

export type Viewpoint = 'machine' | 'node';

/**
 * Starts a real etcd, kube-apiserver, kube-controller-manager and kube-scheduler. It is ready once the API server says
 * so and the controller manager has made the default ServiceAccount. Throws WaitError with the log's end otherwise.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const owner = createOwner();
  try {
    const binary = await kubernetesBinary(options.cache);
    const files = await prepareFiles(options);
    const server = await startApiServer(binary, files, options, owner);
    const controlPlane = await describe(binary, files, server, owner);
    await startControllers(controlPlane, files, server, options, owner);
    return controlPlane;
  } catch (error) {
    await owner.stop();
    throw error;
  }
}

async function prepareFiles(options: ControlPlaneOptions): Promise<ControlPlaneFiles> {
  const { folder, signal } = options;
  await mkdir(folder, { recursive: true });
  const authority = await createCertificateAuthority(folder, signal);
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  const addresses = [loopback, firstServiceAddress, options.namespace?.address ?? loopback];
  const [serving, kubeletClient, serviceAccountKey] = await Promise.all([
    authority.serverCertificate('kube-apiserver', ['localhost', ...names, ...new Set(addresses)]),
    authority.clientCertificate('kube-apiserver-kubelet-client', ['system:masters']),
    createKeyPair(folder, 'service-account'),
  ]);
  const socketFolder = options.socketFolder ?? folder;
  return { folder, socketFolder, authority, serving, kubeletClient, serviceAccountKey };
}

interface ApiServer {
  url: string;
  clusterUrl: string;
  etcd: OwnedProcess;
  /** The one that runs, or ran last. */
  process: () => OwnedProcess;
  kill: () => Promise<void>;
  start: () => Promise<void>;
}

async function startApiServer(
  binary: string,
  files: ControlPlaneFiles,
  options: ControlPlaneOptions,
  owner: Owner,
): Promise<ApiServer> {
  const etcd = startProgram(binary, 'etcd', etcdArguments(files), options, owner);
  for (let attempt = 1; ; attempt++) {
    const { url, clusterUrl, bindAddress, port } = await findEndpoint(options.namespace, owner);
    const args = apiServerArguments(files, { bindAddress, port }, bindAddress === loopback);
    const all = [...args, ...(options.apiServerArguments ?? [])];
    let server = startProgram(binary, 'kube-apiserver', all, options, owner);
    try {
      await waitForApiServer(url, files, [etcd, server], options);
      return {
        url,
        clusterUrl,
        etcd,
        process: () => server,
        kill: async () => {
          if (server.pid !== undefined && server.running()) process.kill(server.pid, 'SIGKILL');
          await server.exited;
        },
        start: async () => {
          server = startProgram(binary, 'kube-apiserver', all, options, owner);
          await waitForApiServer(url, files, [etcd, server], options);
        },
      };
    } catch (error) {
      // A free port can be taken by another process before the server has it.
      const taken = error instanceof WaitError && error.message.includes('address already in use');
      if (!taken || attempt === 3) throw error;
    }
  }
}

async function waitForApiServer(
  url: string,
  files: ControlPlaneFiles,
  processes: readonly OwnedProcess[],
  options: ControlPlaneOptions,
): Promise<void> {
  const ca = await readFile(files.authority.certificate);
  await waitFor('kube-apiserver to be ready', waiting(options, processes), () => statusIsOk(`${url}/readyz`, ca));
}

function waiting(
  options: ControlPlaneOptions,
  processes: readonly OwnedProcess[],
): { deadlineMs: number; processes: readonly OwnedProcess[]; signal?: AbortSignal } {
  const deadlineMs = options.deadlineMs ?? 120_000;
  return { deadlineMs, processes, ...(options.signal === undefined ? {} : { signal: options.signal }) };
}

async function statusIsOk(url: string, ca: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ca, agent: false, timeout: 5000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer within 5 s')));
    asked.once('error', reject);
    asked.end();
  });
}

async function startControllers(
  controlPlane: ControlPlane,
  files: ControlPlaneFiles,
  server: ApiServer,
  options: ControlPlaneOptions,
  owner: Owner,
): Promise<void> {
  const { binary, kubectl } = controlPlane;
  const kubeconfigOf = (name: string): Promise<string> =>
    controlPlane.certificateKubeconfig({ name, groups: [], from: 'node' });
  const managerArguments = controllerManagerArguments(files, await kubeconfigOf('system:kube-controller-manager'));
  const all = [...managerArguments, ...(options.controllerManagerArguments ?? [])];
  const processes = [
    server.etcd,
    server.process(),
    startProgram(binary, 'kube-controller-manager', all, options, owner),
  ];
  if (options.scheduler !== false) {
    const args = schedulerArguments(await kubeconfigOf('system:kube-scheduler'));
    processes.push(startProgram(binary, 'kube-scheduler', args, options, owner));
  }
  await waitFor('the default ServiceAccount', waiting(options, processes), async () => {
    return (await kubectl(['get', 'serviceaccount', 'default', '--namespace=default'])).code === 0;
  });
}

function startProgram(
  binary: string,
  program: string,
  args: readonly string[],
  options: ControlPlaneOptions,
  owner: Owner,
): OwnedProcess {
  const inside = options.namespace === undefined ? [] : ['ip', 'netns', 'exec', options.namespace.name];
  const [command = binary, ...rest] = [...inside, binary, program, ...args];
  const started = start(command, rest, {
    name: program,
    logFile: join(options.folder, `${program}.log`),
    // Nothing of it is kept, so it need not end in order.
    graceMs: 0,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  owner.add(started.stop);
  return started;
}

async function describe(
  binary: string,
  files: ControlPlaneFiles,
  server: ApiServer,
  owner: Owner,
): Promise<ControlPlane> {
  const { folder, authority } = files;
  const write = (name: string, from: Viewpoint, credentials: Credentials): Promise<string> =>
    writeKubeconfig(join(folder, `${name.replaceAll(/[^\w.-]+/g, '-')}.${from}.kubeconfig`), {
      url: from === 'node' ? server.clusterUrl : server.url,
      authority: authority.certificate,
      credentials,
    });
  const certificateKubeconfig: ControlPlane['certificateKubeconfig'] = async ({ name, groups, from = 'machine' }) =>
    write(name, from, { kind: 'certificate', certificate: await authority.clientCertificate(name, groups) });
  const kubeconfig = await certificateKubeconfig({ name: 'admin', groups: ['system:masters'] });

  const kubectl = (args: readonly string[], options: KubectlOptions = {}): Promise<CommandResult> =>
    run(binary, ['kubectl', `--kubeconfig=${options.kubeconfig ?? kubeconfig}`, ...args], {
      name: 'kubectl',
      accept: 'any',
      // By default it would take what it knows of the API from a cache keyed by address and port, which are reused.
      env: { KUBECACHEDIR: join(folder, 'kubectl-cache') },
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  const tokenKubeconfig: ControlPlane['tokenKubeconfig'] = async ({ namespace, serviceAccount, from = 'machine' }) => {
    const { stdout, stderr, code } = await kubectl(['create', 'token', serviceAccount, `--namespace=${namespace}`]);
    if (code !== 0) throw new Error(`no token for ServiceAccount ${namespace}/${serviceAccount}: ${stderr}`);
    return write(`${namespace}.${serviceAccount}`, from, { kind: 'token', token: stdout.trim() });
  };
  return {
    kubeconfig,
    url: server.url,
    clusterUrl: server.clusterUrl,
    folder,
    binary,
    authority,
    kubectl,
    certificateKubeconfig,
    tokenKubeconfig,
    killApiServer: server.kill,
    startApiServer: server.start,
    stop: owner.stop,
  };
}
