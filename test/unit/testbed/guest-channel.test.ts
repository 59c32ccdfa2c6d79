import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { type GuestChannel, GuestGoneError, openGuestChannel, shellCommand } from '../../testbed/guest-channel.ts';

describe('test bed: guest channel', () => {
  let folder: string;
  let server: Server;
  let channel: GuestChannel;
  let guest: FakeGuest;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guest-channel-'));
    const path = join(folder, 'port');
    guest = createFakeGuest();
    server = createServer((socket) => guest.connect(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    channel = await openGuestChannel([path], AbortSignal.timeout(5000));
  });

  afterEach(async () => {
    channel.close();
    server.close();
    await rm(folder, { recursive: true });
  });

  it('sends script and input with their lengths and reads the answer in pieces', async () => {
    guest.answers.push(['1 3 4 5\nou', 'tper', 'ror']);
    const result = await channel.run('cat; exit 3', { input: 'größe', timeoutSeconds: 7 });
    expect(result).to.deep.equal({ code: 3, stdout: 'outp', stderr: 'error' });
    expect(guest.received()).to.equal('1 7 11 7\ncat; exit 3größe');
  });

  it('runs a list of words as they are', async () => {
    guest.answers.push(['1 0 0 0\n']);
    await channel.run(['echo', "it's $HOME"]);
    expect(guest.received()).to.match(/\nexec 'echo' 'it'\\''s \$HOME'$/);
  });

  it('runs one command at a time on a port', async () => {
    guest.answers.push(['1 0 1 0\na'], ['2 0 1 0\nb']);
    const results = await Promise.all([channel.run('first'), channel.run('second')]);
    expect(results.map((result) => result.stdout)).to.deep.equal(['a', 'b']);
  });

  it('rejects when the machine goes away, then and later', async () => {
    guest.answers.push(['1 0 100 0\nhalf', null]);
    const failed = await channel.run('poweroff').catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(GuestGoneError);
    expect(await channel.run('true').catch((error: unknown) => error)).to.be.instanceOf(GuestGoneError);
  });

  it('quotes words so that a shell passes them on unchanged', () => {
    const words = ['printf', '%s|', '', 'a b', "'", '$(id)', '\\', 'line\nbreak'];
    const { stdout } = spawnSync('sh', ['-c', shellCommand(words)], { encoding: 'utf8' });
    expect(stdout).to.equal("|a b|'|$(id)|\\|line\nbreak|");
  });
});

interface FakeGuest {
  /** One list of pieces per command; null hangs up. */
  answers: (string | null)[][];
  connect(socket: Socket): void;
  received(): string;
}

function createFakeGuest(): FakeGuest {
  const answers: (string | null)[][] = [];
  let received = '';
  let unread = '';
  const answer = (socket: Socket) => {
    const request = /^\d+ \d+ (\d+) (\d+)\n/.exec(unread);
    if (request === null) return;
    const length = request[0].length + Number(request[1]) + Number(request[2]);
    if (Buffer.byteLength(unread) < length) return;
    unread = Buffer.from(unread).toString('utf8', length);
    for (const piece of answers.shift() ?? []) {
      if (piece === null) socket.destroySoon();
      else socket.write(piece);
    }
  };
  return {
    answers,
    connect: (socket) => {
      socket.setEncoding('utf8').on('data', (text: string) => {
        received += text;
        unread += text;
        answer(socket);
      });
    },
    received: () => received,
  };
}
