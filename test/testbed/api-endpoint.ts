import { createServer } from 'node:net';
import { forwardIntoNamespace } from './namespace-forward.ts';
import type { Owner } from './process.ts';

export const loopback = '127.0.0.1';

/** Where an API server listens, and how it is reached. */
export interface Endpoint {
  bindAddress: string;
  port: number;
  url: string;
  clusterUrl: string;
}

/** A free port of this machine, or an address inside a network namespace with a way to it, which the owner ends. */
export async function findEndpoint(
  namespace: { name: string; address: string } | undefined,
  owner: Owner,
): Promise<Endpoint> {
  if (namespace === undefined) {
    const port = await freePort();
    const url = `https://${loopback}:${port}`;
    return { bindAddress: loopback, port, url, clusterUrl: url };
  }
  // The namespace is ours alone, so nothing else has this port.
  const port = 6443;
  const { name, address } = namespace;
  const forward = await forwardIntoNamespace(name, address, port);
  owner.add(forward.stop);
  const url = `https://${loopback}:${forward.port}`;
  return { bindAddress: address, port, url, clusterUrl: `https://${address}:${port}` };
}

/** A TCP port of 127.0.0.1 that nothing listens at, yet. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, loopback, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no TCP address was given');
  return address.port;
}
