import { randomBytes } from 'node:crypto';

import { run } from './process.ts';

/** The network of one cluster: a namespace with a bridge that all nodes are connected to. Nothing leaves it. */
export interface TestNetwork {
  /** The namespace's name, for `ip netns exec`. */
  namespace: string;
  /** Address of the namespace itself on the bridge; the control plane listens there. */
  address: string;
  /** Connects one machine: makes its tap interface and the route to its pods. */
  addNode(index: number): Promise<NodeAddresses>;
  /** Ends what still runs in the namespace and removes it with everything in it. */
  remove(): Promise<void>;
}

export interface NodeAddresses {
  tap: string;
  mac: string;
  address: string;
  podSubnet: string;
  gateway: string;
}

/** What Services get their addresses from; must fit the API server's `--service-cluster-ip-range`. */
export const serviceSubnet = '10.96.0.0/16';
export const podNetwork = '10.244.0.0/16';
const gateway = '192.168.77.1';

/** Addresses can be the same in every run: each has a namespace of its own. */
export async function createNetwork(name: string): Promise<TestNetwork> {
  await run('ip', ['netns', 'add', name]);
  try {
    await batch(name, [
      'link set lo up',
      'link add br0 type bridge',
      `address add ${gateway}/24 dev br0`,
      'link set br0 up',
      // Without a route a Service's address is unreachable before NAT gets to see it.
      `route add ${serviceSubnet} dev br0`,
    ]);
    await run('ip', ['netns', 'exec', name, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  } catch (error) {
    await removeNetwork(name);
    throw error;
  }
  const connected = new Set<number>();
  return {
    namespace: name,
    address: gateway,
    addNode: async (index) => {
      const addresses = nodeAddresses(index);
      if (connected.has(index)) return addresses;
      connected.add(index);
      await batch(name, [
        `tuntap add dev ${addresses.tap} mode tap`,
        `link set ${addresses.tap} master br0`,
        `link set ${addresses.tap} up`,
        `route add ${addresses.podSubnet} via ${addresses.address}`,
      ]);
      return addresses;
    },
    remove: () => removeNetwork(name),
  };
}

/** @param index from 1 to 200 */
export function nodeAddresses(index: number): NodeAddresses {
  return {
    tap: `tap${index}`,
    mac: `52:54:00:77:01:${index.toString(16).padStart(2, '0')}`,
    address: `192.168.77.${10 + index}`,
    podSubnet: `10.244.${index}.0/24`,
    gateway,
  };
}

/** Interface and namespace names hold at most 15 characters; the prefix marks what the test bed may remove. */
export function randomNetworkName(): string {
  return `aao-${randomBytes(4).toString('hex')}`;
}

/** Also ends processes that a crashed run left in the namespace. No error if there is no such namespace. */
export async function removeNetwork(name: string): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'pids', name], { accept: 'any' });
  for (const pid of stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  await run('ip', ['netns', 'delete', name], { accept: 'any' });
}

async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  await run('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
