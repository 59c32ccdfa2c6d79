import type { Socket } from 'node:net';

import { connectWhenThere } from './qmp.ts';

export interface GuestResult {
  stdout: string;
  stderr: string;
  code: number;
}

export interface GuestCommandOptions {
  /** What the command reads on its standard input. */
  input?: string | Buffer;
  /** After this many seconds the guest ends the command (exit code 124). Default 120. */
  timeoutSeconds?: number;
}

/** Runs commands as root inside a virtual machine over its virtio-serial ports; needs no network in the guest. */
export interface GuestChannel {
  /**
   * A list is run as it is, a text by `sh`. As many commands run at once as there are ports; others wait for a free one.
   * @throws GuestGoneError when the machine ends meanwhile.
   */
  run(command: readonly string[] | string, o?: GuestCommandOptions): Promise<GuestResult>;
  close(): void;
}

export class GuestGoneError extends Error {}

/** Connects to the ports' sockets. The first command waits until the guest has booted far enough to answer. */
export async function openGuestChannel(sockets: readonly string[], signal: AbortSignal): Promise<GuestChannel> {
  const ports = await Promise.all(sockets.map(async (path) => openPort(await connectWhenThere(path, signal))));
  const free = [...ports];
  const waiting: ((port: GuestPort) => void)[] = [];
  const release = (port: GuestPort) => {
    const next = waiting.shift();
    if (next) next(port);
    else free.push(port);
  };
  return {
    run: async (command, o = {}) => {
      const port = free.shift() ?? (await new Promise<GuestPort>((resolve) => waiting.push(resolve)));
      try {
        return await port.run(typeof command === 'string' ? command : shellCommand(command), o);
      } finally {
        release(port);
      }
    },
    close: () => ports.forEach((port) => port.close()),
  };
}

/** Quotes a list of words so that a shell runs exactly these. */
export function shellCommand(words: readonly string[]): string {
  return `exec ${words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}`;
}

interface GuestPort {
  run(script: string, o: GuestCommandOptions): Promise<GuestResult>;
  close(): void;
}

interface PendingAnswer {
  id: number;
  resolve: (result: GuestResult) => void;
  reject: (error: Error) => void;
}

/** The other side is guest/serve, which describes the protocol. */
function openPort(socket: Socket): GuestPort {
  let lastId = 0;
  let received: Buffer[] = [];
  let missing = 0;
  let pending: PendingAnswer | undefined;

  const read = (chunk: Buffer) => {
    received.push(chunk);
    missing -= chunk.length;
    if (missing > 0) return;
    const all = Buffer.concat(received);
    received = [all];
    const answer = parseAnswer(all);
    missing = answer.missing;
    if (answer.missing > 0 || !answer.result) return;
    received = [];
    missing = 0;
    if (pending?.id !== answer.id) return;
    pending.resolve(answer.result);
    pending = undefined;
  };
  const gone = () => {
    pending?.reject(new GuestGoneError('the virtual machine went away while a command ran in it'));
    pending = undefined;
  };
  socket.on('data', read);
  socket.on('error', gone);
  socket.on('close', gone);
  return {
    run: (script, o) => {
      if (socket.destroyed) return Promise.reject(new GuestGoneError('the virtual machine is not running'));
      lastId += 1;
      const id = lastId;
      const input = Buffer.from(o.input ?? '');
      const text = Buffer.from(script);
      return new Promise<GuestResult>((resolve, reject) => {
        pending = { id, resolve, reject };
        socket.write(`${id} ${o.timeoutSeconds ?? 120} ${text.length} ${input.length}\n`);
        socket.write(text);
        socket.write(input);
      });
    },
    close: () => socket.destroy(),
  };
}

function parseAnswer(all: Buffer): { id: number; missing: number; result?: GuestResult } {
  const end = all.indexOf('\n');
  if (end < 0) return { id: 0, missing: 1 };
  const [id = 0, code = 0, outputLength = 0, errorLength = 0] = all.toString('utf8', 0, end).split(' ').map(Number);
  const output = end + 1;
  const error = output + outputLength;
  const missing = error + errorLength - all.length;
  if (missing > 0) return { id, missing };
  return {
    id,
    missing: 0,
    result: {
      code,
      stdout: all.toString('utf8', output, error),
      stderr: all.toString('utf8', error, error + errorLength),
    },
  };
}
