import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandError, createOwner, run, start, waitFor, WaitError } from '../../testbed/process.ts';

describe('run', () => {
  it('passes arguments as they are and gives back both outputs', async () => {
    const result = await run('sh', ['-c', 'printf %s "$1"; printf no >&2; cat', 'sh', '$HOME;`x`'], { input: '-in' });
    expect(result).to.deep.equal({ stdout: '$HOME;`x`-in', stderr: 'no', code: 0 });
  });

  it('throws the command, its exit and its complaint', async () => {
    const error = await run('sh', ['-c', 'echo why >&2; exit 3']).catch((error: unknown) => error);
    expect(error).to.be.instanceOf(CommandError);
    expect((error as CommandError).exit).to.deep.equal({ code: 3, signal: null });
    expect((error as CommandError).message).to.match(/^sh exited with 3: sh -c .*\nwhy$/);
  });

  it('accepts the exit codes it is told to', async () => {
    expect((await run('sh', ['-c', 'exit 3'], { accept: [3] })).code).to.equal(3);
    expect((await run('sh', ['-c', 'exit 4'], { accept: 'any' })).code).to.equal(4);
  });

  it('names a command that is not there', async () => {
    const error = await run('no-such-command', []).catch(String);
    expect(error).to.contain('no-such-command');
  });

  it('ends what takes too long, its children too', async () => {
    const began = performance.now();
    const error = await run('sh', ['-c', 'sleep 60 & sleep 60'], { timeoutMs: 200 }).catch((error: unknown) => error);
    expect(performance.now() - began).to.be.lessThan(5000);
    expect(error).to.be.instanceOf(CommandError);
    expect((error as Error).cause).to.have.property('name', 'TimeoutError');
  });
});

describe('start', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'process-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('stops the whole group, by force after the grace', async () => {
    const script = 'trap "" TERM; sleep 60 & echo "child $!"; while :; do sleep 1; done';
    const stubborn = start('bash', ['-c', script], { graceMs: 100 });
    const child = await waitFor('it to run', { deadlineMs: 5000, processes: [stubborn] }, () => {
      return /child (\d+)/.exec(stubborn.outputTail())?.[1];
    });
    await stubborn.stop();
    expect(await stubborn.exited).to.deep.equal({ code: null, signal: 'SIGKILL' });
    expect(stubborn.running()).to.equal(false);
    await waitFor('the child to be gone', { deadlineMs: 5000 }, () => !isRunning(Number(child)));
    await stubborn.stop();
  });

  it('dies with the process that started it', async () => {
    const module = join(import.meta.dirname, '../../testbed/process.ts');
    const script = `
      import { start } from ${JSON.stringify(module)};
      console.log('child ' + start('sleep', ['60']).pid);
      setInterval(() => {}, 1000);`;
    const parent = start(process.execPath, ['--input-type=module', '--eval', script]);
    const child = await waitFor('it to start its child', { deadlineMs: 9000, processes: [parent] }, () => {
      return /child (\d+)/.exec(parent.outputTail())?.[1];
    });
    expect(isRunning(Number(child))).to.equal(true);
    process.kill(parent.pid ?? 0, 'SIGKILL');
    await waitFor('the child to be gone', { deadlineMs: 5000 }, () => !isRunning(Number(child)));
  });

  it('writes to a log file and tells its end', async () => {
    const logFile = join(folder, 'log');
    const child = start('sh', ['-c', 'echo out; echo err >&2'], { logFile });
    expect(await child.exited).to.deep.equal({ code: 0, signal: null });
    expect(child.outputTail()).to.equal('out\nerr');
  });

  it('is stopped by its signal', async () => {
    const stop = new AbortController();
    const child = start('sleep', ['60'], { signal: stop.signal });
    stop.abort();
    expect(await child.exited).to.deep.equal({ code: null, signal: 'SIGTERM' });
  });
});

describe('waitFor', () => {
  it('returns what the condition gives once it is met', async () => {
    let asked = 0;
    const value = await waitFor('it', { deadlineMs: 5000, intervalMs: 1 }, () => {
      asked += 1;
      if (asked === 1) throw new Error('not yet');
      return asked === 3 ? 'there' : undefined;
    });
    expect(value).to.equal('there');
  });

  it('gives the last error at its deadline', async () => {
    const waiting = waitFor('the moon', { deadlineMs: 20, intervalMs: 1 }, () => Promise.reject(new Error('cloudy')));
    const error = await waiting.catch((error: unknown) => error);
    expect(error).to.be.instanceOf(WaitError);
    expect((error as Error).message).to.equal('the moon: not within 0 s: cloudy');
  });

  it('ends as soon as a process that is needed has ended', async () => {
    const child = start('sh', ['-c', 'echo broken >&2; exit 7']);
    const error = await waitFor('an answer', { deadlineMs: 9000, processes: [child] }, () => undefined).catch(String);
    expect(error).to.contain('sh exited with 7').and.to.contain('broken');
  });

  it('ends with its signal', async () => {
    const stop = new AbortController();
    const waiting = waitFor('it', { deadlineMs: 9000, signal: stop.signal }, () => undefined).catch((error) => error);
    stop.abort(new Error('enough'));
    expect(String(await waiting)).to.match(/enough|abort/);
  });
});

describe('createOwner', () => {
  it('stops all, the latest first, and then tells what failed', async () => {
    const owner = createOwner();
    const stopped: number[] = [];
    owner.add(async () => stopped.push(1));
    owner.add(() => Promise.reject(new Error('stuck')));
    owner.add(async () => stopped.push(3));
    const error = await owner.stop().catch(String);
    expect(error).to.contain('stuck');
    expect(stopped).to.deep.equal([3, 1]);
    await owner.stop();
  });
});

/** A zombie has ended; when it goes is up to the machine's first process. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
