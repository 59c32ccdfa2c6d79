import { join } from 'node:path';

import { type Artefacts, prepare, prepareTemplate } from './artefacts.ts';
import { type Cache, formatElapsed } from './cache.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { createNetwork, type TestNetwork } from './network.ts';
import { type JoinOptions, startNode, type TestNode } from './node.ts';
import { kubeProxyArguments } from './node-config.ts';
import { createOwner, type Owner, start, withSignal } from './process.ts';
import type { NodeSuite } from './rootfs.ts';
import { createRun, type Run } from './runs.ts';

export interface ClusterOptions {
  cache: Cache;
  nodes: number;
  signal?: AbortSignal;
}

/** A real control plane and real nodes, in a network namespace of their own. */
export interface TestCluster {
  /** Random name of this run and of its network namespace. */
  name: string;
  /** Holds kubeconfigs, logs and disks; removed by `stop`. */
  folder: string;
  controlPlane: ControlPlane;
  nodes: readonly TestNode[];
  /** Adds a node; resolves when it is Ready. */
  addNode(o?: AddNodeOptions): Promise<TestNode>;
  /** Pulls a node's plug and forgets it. Its Node object stays. */
  dropNode(node: TestNode): Promise<void>;
  /** Ends every process, namespace and interface of the cluster and removes its folder. */
  stop: () => Promise<void>;
}

export interface AddNodeOptions extends JoinOptions {
  /** Default: trixie. */
  suite?: NodeSuite;
  /** Images that the node gets before kubelet starts, which would only try again later and later. */
  archives?: readonly string[];
}

/** Warm, two nodes are Ready within a minute. Everything ends with this process, or before by `stop`. */
export async function startCluster(o: ClusterOptions): Promise<TestCluster> {
  const { cache } = o;
  const artefacts = await prepare(cache);
  const owner = createOwner();
  const started = performance.now();
  const report = (what: string): void =>
    cache.log(`cluster: ${what} after ${formatElapsed(performance.now() - started)}`);
  try {
    const run = await createRun(cache.folder);
    owner.add(() => run.remove());
    const network = await createNetwork(run.name);
    const controlPlane = await startControlPlane({
      cache,
      folder: join(run.folder, 'control-plane'),
      socketFolder: run.sockets,
      namespace: { name: network.namespace, address: network.address },
      ...withSignal(o),
    });
    owner.add(controlPlane.stop);
    report('control plane ready');
    const serviceProxyKubeconfig = await controlPlane.certificateKubeconfig({
      name: 'system:kube-proxy',
      groups: [],
      from: 'node',
    });
    const surroundings = { run, network, controlPlane, owner, serviceProxyKubeconfig, ...withSignal(o) };
    startServiceProxy(surroundings);

    const nodes: TestNode[] = [];
    let lastIndex = 0;
    const addNode: TestCluster['addNode'] = async (options = {}) => {
      lastIndex += 1;
      const index = lastIndex;
      const { suite = 'trixie', ...rest } = options;
      const template = suite === 'trixie' ? artefacts.template : await prepareTemplate(cache, suite);
      const node = await addOneNode(index, { ...surroundings, ...artefacts, template, ...rest });
      nodes.push(node);
      report(`${node.name} Ready`);
      return node;
    };
    await Promise.all(Array.from({ length: o.nodes }, () => addNode()));
    nodes.sort((a, b) => a.name.localeCompare(b.name));
    const dropNode: TestCluster['dropNode'] = async (node) => {
      await node.kill();
      if (nodes.includes(node)) nodes.splice(nodes.indexOf(node), 1);
    };
    return { name: run.name, folder: run.folder, controlPlane, nodes, addNode, dropNode, stop: owner.stop };
  } catch (error) {
    await owner.stop();
    throw error;
  }
}

interface Surroundings {
  run: Run;
  network: TestNetwork;
  controlPlane: ControlPlane;
  owner: Owner;
  serviceProxyKubeconfig: string;
  signal?: AbortSignal;
}

async function addOneNode(
  index: number,
  o: Surroundings & Artefacts & Omit<AddNodeOptions, 'suite'>,
): Promise<TestNode> {
  const { owner, ...rest } = o;
  const node = await startNode({ ...rest, index, name: `node-${index}` });
  owner.add(() => node.kill());
  await node.ready();
  return node;
}

/** The namespace is where the API server lives: for it to reach Services, the namespace needs a proxy as nodes do. */
function startServiceProxy(o: Surroundings): void {
  const { controlPlane, network, run } = o;
  const inside = ['netns', 'exec', network.namespace, controlPlane.binary, 'kube-proxy'];
  const proxy = start('ip', [...inside, `--kubeconfig=${o.serviceProxyKubeconfig}`, ...kubeProxyArguments], {
    name: 'kube-proxy',
    logFile: join(run.folder, 'kube-proxy.log'),
    graceMs: 0,
    ...withSignal(o),
  });
  o.owner.add(proxy.stop);
}
