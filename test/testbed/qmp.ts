import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A connection to QEMU's machine protocol (qemu-qmp-ref). One command at a time is in flight. */
export interface Qmp {
  /** @throws QmpError when QEMU refuses the command or goes away. */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
  close(): void;
}

export class QmpError extends Error {}

/** Connects as soon as QEMU listens; gives up when the signal says so (QEMU ended, run stopped). */
export async function connectQmp(path: string, signal: AbortSignal): Promise<Qmp> {
  const socket = await connectWhenThere(path, signal);
  const answers = readAnswers(socket);
  let turn: Promise<unknown> = answers.next();
  const execute = (command: string, args?: Record<string, unknown>): Promise<unknown> => {
    const answer = turn.then(async () => {
      socket.write(`${JSON.stringify({ execute: command, arguments: args ?? {} })}\n`);
      return answers.next();
    });
    turn = answer.catch(() => undefined);
    return answer;
  };
  await execute('qmp_capabilities');
  return { execute, close: () => socket.destroy() };
}

/** A server's socket file appears a moment before the server accepts on it. */
export async function connectWhenThere(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted();
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(path);
      attempt.once('connect', () => resolve(attempt));
      attempt.once('error', () => resolve(undefined));
    });
    if (socket) return socket;
    await sleep(50, undefined, { signal });
  }
}

interface QmpMessage {
  QMP?: unknown;
  event?: string;
  return?: unknown;
  error?: { class: string; desc: string };
}

function readAnswers(socket: Socket): { next(): Promise<unknown> } {
  const arrived: QmpMessage[] = [];
  let waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;
  let ended = false;
  let text = '';
  const deliver = () => {
    if (!waiting) return;
    const message = arrived.shift();
    if (message === undefined && !ended) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    if (message === undefined) return reject(new QmpError('QEMU closed its control connection'));
    if (message.error) return reject(new QmpError(`QEMU: ${message.error.desc}`));
    resolve(message.return);
  };
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as QmpMessage;
      if (message.event === undefined) arrived.push(message);
    }
    deliver();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
    deliver();
  });
  return {
    next: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        deliver();
      }),
  };
}
