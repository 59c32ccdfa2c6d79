import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestCluster } from '../testbed/cluster.ts';
import type { TestNode } from '../testbed/node.ts';

/** A node's clock, read from this machine at the price of a packet each way. */
export interface NodeClock {
  /**
   * Milliseconds since the epoch: what the node's clock said when this was called, or earlier by at most the way there and back, as a clock of
   * counted instructions is never faster than this machine's.
   */
  earliestNow(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * A command in the node is ten processes or so, which this machine takes some hundred milliseconds to translate: they count as time that the
 * node needed, as nobody knows when of it the clock was read. A shell that waits there for a line answers within 4 to 90 ms.
 */
export async function openNodeClock({ name, controlPlane }: TestCluster, node: TestNode): Promise<NodeClock> {
  const address = new URL(controlPlane.clusterUrl).hostname;
  const server = await listenIn(name, address);
  const { port } = server.address() as AddressInfo;
  const answering = node.run(['bash', '-c', ANSWERS, 'bash', address, String(port)], { timeoutSeconds: 3600 });
  const connected = once(server, 'connection') as Promise<[Socket]>;
  const first = await Promise.race([connected, answering]);
  if (!Array.isArray(first)) throw new Error(`${node.name} cannot tell its clock: ${first.stderr.trim()}`);
  const [socket] = first;
  const lines = createInterface({ input: socket.setNoDelay(true) })[Symbol.asyncIterator]();
  return {
    async earliestNow() {
      const asked = performance.now();
      socket.write('\n');
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${node.name} no longer tells its clock`);
      return Number(value) * 1000 - (performance.now() - asked);
    },
    async stop() {
      socket.destroy();
      server.close();
      await answering;
    },
  };
}

const ANSWERS = 'exec 3<>/dev/tcp/$1/$2 && while read -r <&3; do echo "$EPOCHREALTIME" >&3; done';

/** A socket stays in the namespace it was made in: so a child that was started there makes it, and hands it over. */
async function listenIn(namespace: string, address: string): Promise<Server> {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, import.meta.filename, address], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise<Server>((resolve, reject) => {
    child.once('message', (_message, handle) => resolve(handle as Server));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`no socket in the namespace ${namespace}: exit ${code}`)));
  });
}

if (import.meta.main) {
  const server = createServer();
  server.listen(0, process.argv[2], () => {
    process.send?.('listening', server, () => process.exit(0));
  });
}
