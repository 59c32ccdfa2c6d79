import { spawn } from 'node:child_process';
import { createServer, connect, type Server } from 'node:net';

export interface Forward {
  /** The port on this machine's 127.0.0.1. */
  port: number;
  stop: () => Promise<void>;
}

/**
 * Makes a TCP port inside a network namespace reachable at 127.0.0.1 of the machine, for kubectl and the tests.
 *
 * A socket stays in the namespace it was made in. So this process makes the listening one and hands it to a child
 * inside the namespace, which connects onwards from there. No interface is added to the machine for it.
 */
export async function forwardIntoNamespace(namespace: string, address: string, port: number): Promise<Forward> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const listening = server.address();
  if (listening === null || typeof listening === 'string') throw new Error('no TCP address was given');

  const inside = ['ip', 'netns', 'exec', namespace, process.execPath, import.meta.filename, address, String(port)];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inside], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const accepted = new Promise<boolean>((resolve) => {
    child.once('message', () => resolve(true));
    void exited.then(() => resolve(false));
  });
  child.send?.('listen', server, () => undefined);
  if (!(await accepted)) throw new Error(`cannot forward into namespace ${namespace}: ${errors.trim()}`);
  server.close();
  return {
    port: listening.port,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The child's part: pipes each connection of the socket it is handed to the address it was told. */
function forwardConnections(address: string, port: number): void {
  process.on('message', (_message, server) => {
    (server as Server).on('connection', (incoming) => {
      const outgoing = connect({ host: address, port });
      incoming.pipe(outgoing).pipe(incoming);
      incoming.on('error', () => outgoing.destroy()).on('close', () => outgoing.destroy());
      outgoing.on('error', () => incoming.destroy()).on('close', () => incoming.destroy());
    });
    process.send?.('listening');
  });
  process.on('disconnect', () => process.exit(0));
}

if (import.meta.main) forwardConnections(process.argv[2] ?? '', Number(process.argv[3]));
