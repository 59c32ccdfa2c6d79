import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { ControlPlane } from './control-plane.ts';
import { type GuestCommandOptions, GuestGoneError, type GuestResult } from './guest-channel.ts';
import type { NodeAddresses, TestNetwork } from './network.ts';
import { cniConfiguration, kubeletConfiguration, kubeProxyArguments } from './node-config.ts';
import { createOverlay, type NodeTemplate } from './node-template.ts';
import { withSignal } from './process.ts';
import type { Run } from './runs.ts';
import { type Machine, startMachine } from './vm.ts';

/** A virtual machine with its own kernel that is a node of the cluster. */
export interface TestNode {
  name: string;
  address: string;
  /** Runs a command as root on the node, not in a container. A text is a shell script. Never throws for an exit code. */
  run(command: readonly string[] | string, o?: GuestCommandOptions): Promise<GuestResult>;
  /** Imports an OCI or docker archive into the node's containerd. */
  importImage(archive: string): Promise<void>;
  /** Pulls the plug. The Node object stays. */
  kill(): Promise<void>;
  /**
   * Pulls the plug if it is in, boots from the disk as that left it, and joins again. Resolves when kubelet runs, not when
   * the node is Ready.
   */
  boot(o?: JoinOptions): Promise<void>;
  /** Resolves when the API server says the node is Ready. */
  ready(): Promise<void>;
  /** What the machine's programs wrote last, for a failed test's report. */
  logs(): Promise<string>;
}

export interface JoinOptions {
  /** Added to the kernel's command line: such a node cannot be a restored one, it boots. */
  kernelArguments?: readonly string[];
  /** A script that the machine runs as root before kubelet starts. */
  beforeKubelet?: string;
  /** See MachineOptions: such a node cannot be a restored one either. */
  instructionNs?: number;
}

export interface NodeOptions extends JoinOptions {
  index: number;
  name: string;
  run: Run;
  network: TestNetwork;
  controlPlane: ControlPlane;
  template: NodeTemplate;
  /** File system image with the `kubernetes` binary. */
  kubernetesDrive: string;
  /** Path of kube-proxy's kubeconfig. */
  serviceProxyKubeconfig: string;
  /** Imported before kubelet starts. */
  archives?: readonly string[];
  signal?: AbortSignal;
}

/** Starts a machine and makes it a node. Resolves when kubelet runs, not when the node is Ready. */
export async function startNode(o: NodeOptions): Promise<TestNode> {
  const addresses = await o.network.addNode(o.index);
  const disk = join(o.run.folder, `${o.name}-disk`);
  await createOverlay(disk, { file: o.template.disk, format: 'qcow2' });
  const identity = { machineId: randomBytes(16).toString('hex'), addresses, files: await nodeFiles(o, addresses) };

  const start = async (how: JoinOptions, archives: readonly string[]): Promise<Machine> => {
    const { kernelArguments: extra, beforeKubelet, instructionNs } = how;
    const isAsSaved = extra === undefined && instructionNs === undefined;
    const machine = await startMachine({
      name: o.name,
      folder: o.run.folder,
      sockets: o.run.sockets,
      disk,
      hardware: o.template.hardware,
      image: o.template.image,
      kernelArguments: [...o.template.kernelArguments, ...(extra ?? [])],
      network: { namespace: o.network.namespace, tap: addresses.tap },
      ...(isAsSaved ? { memory: o.template.memory } : {}),
      ...(instructionNs === undefined ? {} : { instructionNs }),
      ...withSignal(o),
    });
    try {
      for (const archive of archives) await importArchive(machine.channel, archive);
      await machine.plugDrive('kubernetes', o.kubernetesDrive);
      if (beforeKubelet !== undefined) await succeeds(machine.channel.run(beforeKubelet), beforeKubelet);
      await joinCluster(o.name, machine, identity);
      return machine;
    } catch (error) {
      await machine.kill();
      throw error;
    }
  };
  let machine: Machine | undefined = await start(o, o.archives ?? []);

  const runInGuest: TestNode['run'] = (command, options) => {
    if (machine === undefined) return Promise.reject(new GuestGoneError(`${o.name} is switched off`));
    return machine.channel.run(command, options);
  };
  const logs = async (): Promise<string> => {
    const files = ['containerd', 'kubelet', 'kube-proxy'].map((name) => `/var/log/${name}.log`);
    return (await runInGuest(['tail', '-n', '40', ...files])).stdout;
  };
  return {
    name: o.name,
    address: addresses.address,
    run: runInGuest,
    importImage: (archive) => importArchive({ run: runInGuest }, archive),
    kill: async () => {
      await machine?.kill();
      machine = undefined;
    },
    boot: async ({ kernelArguments = [], ...rest } = {}) => {
      await machine?.kill();
      machine = undefined;
      machine = await start({ kernelArguments, ...rest }, []);
    },
    ready: async () => {
      const { stdout } = await runInGuest(['cat', '/proc/sys/kernel/random/boot_id']);
      try {
        await nodeReady(o, stdout.trim());
      } catch (error) {
        throw new Error(`${String(error)}\n${await logs().catch(String)}`, { cause: error });
      }
    },
    logs,
  };
}

interface NodeIdentity {
  machineId: string;
  addresses: NodeAddresses;
  files: Record<string, string>;
}

/** What kubelet, kube-proxy and containerd read, by path. */
async function nodeFiles(o: NodeOptions, addresses: NodeAddresses): Promise<Record<string, string>> {
  const { controlPlane, name } = o;
  const [kubelet, serving] = await Promise.all([
    controlPlane.certificateKubeconfig({ name: `system:node:${name}`, groups: ['system:nodes'], from: 'node' }),
    controlPlane.authority.serverCertificate(`kubelet-${name}`, [name, addresses.address]),
  ]);
  const kubernetes = '/etc/kubernetes';
  return {
    '/etc/cni/net.d/10-testbed.conflist': cniConfiguration(addresses.podSubnet),
    [`${kubernetes}/kubelet.json`]: kubeletConfiguration(),
    [`${kubernetes}/kubelet.kubeconfig`]: await readFile(kubelet, 'utf8'),
    [`${kubernetes}/kube-proxy.kubeconfig`]: await readFile(o.serviceProxyKubeconfig, 'utf8'),
    [`${kubernetes}/ca.crt`]: await readFile(controlPlane.authority.certificate, 'utf8'),
    [`${kubernetes}/kubelet.crt`]: await readFile(serving.certificate, 'utf8'),
    [`${kubernetes}/kubelet.key`]: await readFile(serving.key, 'utf8'),
  };
}

async function joinCluster(name: string, machine: Machine, identity: NodeIdentity): Promise<void> {
  const { addresses, files, machineId } = identity;
  const variables = {
    NAME: name,
    MACHINE_ID: machineId,
    ADDRESS: addresses.address,
    MAC: addresses.mac,
    GATEWAY: addresses.gateway,
    KUBE_PROXY_ARGUMENTS: kubeProxyArguments.join(' '),
    NOW: (Date.now() / 1000).toFixed(3),
  };
  const script = [
    'umask 077',
    ...Object.entries(files).map(([path, content]) => `cat >${path} <<'END-OF-FILE'\n${content}\nEND-OF-FILE`),
    ...Object.entries(variables).map(([variable, value]) => `${variable}='${value}'`),
    'umask 022',
    await readFile(join(import.meta.dirname, 'guest/join'), 'utf8'),
  ];
  await succeeds(machine.channel.run(script.join('\n')), `joining ${name} to the cluster`);
}

/** A machine that boots answers before its containerd does. */
async function importArchive(guest: Pick<TestNode, 'run'>, archive: string): Promise<void> {
  const script = `
    until ctr version >/dev/null 2>&1; do sleep 0.2; done
    ctr -n k8s.io images import -`;
  const input = await readFile(archive);
  await succeeds(guest.run(script, { input, timeoutSeconds: 300 }), 'importing an image');
}

/** A node that was rebooted is Ready in the API server's eyes until it is missed: its boot id tells. */
async function nodeReady(o: NodeOptions, bootId: string): Promise<void> {
  const states = ['create', `jsonpath={.status.nodeInfo.bootID}=${bootId}`, 'condition=Ready'];
  for (const state of states) {
    const wait = ['wait', `node/${o.name}`, `--for=${state}`, '--timeout=180s'];
    const { code, stderr } = await o.controlPlane.kubectl(wait, withSignal(o));
    if (code !== 0) throw new Error(`node ${o.name} is not Ready: ${stderr.trim()}`);
  }
}

async function succeeds(result: Promise<GuestResult>, what: string): Promise<void> {
  const { code, stderr, stdout } = await result;
  if (code !== 0) throw new Error(`${what}: exit code ${code}\n${stderr}${stdout}`);
}
