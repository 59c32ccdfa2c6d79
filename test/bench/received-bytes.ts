import { run } from '../testbed/process.ts';

/** Bytes that some processes' open TCP connections to a port of this machine have received so far, TLS and all. */
export async function receivedBytes(port: number, pids: ReadonlySet<number>): Promise<number> {
  const filter = ['state', 'established', 'dst', `127.0.0.1:${port}`];
  const { stdout } = await run('ss', ['--no-header', '--tcp', '--numeric', '--processes', '--info', ...filter]);
  return readReceivedBytes(stdout, pids);
}

/** Sums `bytes_received` of what `ss --tcp --processes --info` prints: two lines for each connection. */
export function readReceivedBytes(printed: string, pids: ReadonlySet<number>): number {
  let sum = 0;
  let isOurs = false;
  for (const line of printed.split('\n')) {
    const owner = /users:\(\("[^"]*",pid=(\d+),/.exec(line)?.[1];
    if (!/^\s/.test(line)) isOurs = owner !== undefined && pids.has(Number(owner));
    const received = /\bbytes_received:(\d+)/.exec(line)?.[1];
    if (isOurs && received !== undefined) sum += Number(received);
  }
  return sum;
}
