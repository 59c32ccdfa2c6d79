import { expect } from 'chai';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openProcessTable, ProcessTableError } from '../../../src/kernel/processes.ts';
import type { ProfileUsers } from '../../../src/kernel/processes.ts';
import { rootsInLabel } from '../../../src/kernel/profile-name.ts';

describe('kernel/processes', () => {
  let proc: string;

  beforeEach(async () => {
    proc = await mkdtemp(join(tmpdir(), 'proc-'));
    await threads(10);
  });
  afterEach(() => rm(proc, { recursive: true, force: true }));

  const threads = (total: number): Promise<void> =>
    writeFile(join(proc, 'loadavg'), `0.10 0.20 0.30 2/${total} 4711\n`);
  const usersOf = (...profiles: string[]): Promise<ReadonlyMap<string, ProfileUsers>> =>
    openProcessTable(proc).usersOf(new Set(profiles));

  async function refused(): Promise<string> {
    const error = await usersOf('web').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(ProcessTableError);
    return error instanceof Error ? error.message : '';
  }

  /** A thread with these files in its folder `attr/apparmor`, or in the one given. */
  async function thread(
    pid: number,
    tid: number,
    files: Record<string, string>,
    folder = 'attr/apparmor',
  ): Promise<string> {
    const path = join(proc, String(pid), 'task', String(tid), folder);
    await mkdir(path, { recursive: true });
    for (const [name, label] of Object.entries(files)) await writeFile(join(path, name), label);
    return path;
  }

  /** A thread, from one turn of the event loop to the next. */
  function start(pid: number, label: string, tid = pid): void {
    const folder = join(proc, String(pid), 'task', String(tid), 'attr/apparmor');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'current'), `${label}\n`);
  }

  it('counts processes by profile, not threads', async () => {
    await thread(1, 1, { current: 'unconfined\n' });
    await thread(20, 20, { current: 'web (enforce)\n' });
    await thread(20, 21, { current: 'web (enforce)\n' });
    await thread(30, 30, { current: 'other (complain)\n' });
    await thread(31, 31, { current: 'web (enforce)\n' });
    const users = await usersOf('web', 'third');
    expect(users.get('web')).to.include({ processes: 2, unreadable: 0 });
    expect(users.get('web')?.example?.pid).to.be.oneOf(['20', '31']);
    expect(users.get('third')).to.deep.equal({ processes: 0, unreadable: 0 });
  });

  it('sees a thread that is under another profile than its process', async () => {
    await thread(20, 20, { current: 'unconfined\n' });
    await thread(20, 21, { current: 'web (enforce)\n' });
    expect((await usersOf('web')).get('web')).to.deep.equal({
      processes: 1,
      unreadable: 0,
      example: { pid: '20', tid: '21' },
    });
  });

  it('counts what will run under the profile from its next exec', async () => {
    await thread(20, 20, { current: 'unconfined\n', exec: 'web (enforce)\n' });
    expect((await usersOf('web')).get('web')).to.include({ processes: 1 });
  });

  it('reads the older files where there are no others', async () => {
    await thread(20, 20, { current: 'web (enforce)\n' }, 'attr');
    await thread(21, 21, { current: 'unconfined\n', exec: 'web//&other (enforce)\n' }, 'attr');
    const users = await usersOf('web', 'other');
    expect([users.get('web')?.processes, users.get('other')?.processes]).to.deep.equal([2, 1]);
  });

  it('counts what it cannot read for every profile, unless the process is known to run under it', async () => {
    await mkdir(join(await thread(20, 20, {}), 'current'));
    await thread(20, 21, { current: 'web (enforce)\n' });
    await mkdir(join(await thread(30, 30, { current: 'other (enforce)\n' }), 'exec'));
    const users = await usersOf('web', 'third');
    expect(users.get('web')).to.include({ processes: 1, unreadable: 1 });
    expect(users.get('third')).to.include({ processes: 0, unreadable: 2 });
    expect(users.get('third')?.example?.pid).to.be.oneOf(['20', '30']);
  });

  it('counts a process whose threads it may not list', async () => {
    await mkdir(join(proc, '20'));
    await writeFile(join(proc, '20/task'), 'not a folder');
    await mkdir(join(proc, '20/attr'));
    expect((await usersOf('web')).get('web')).to.include({ unreadable: 1 });
  });

  it('does not count what has ended meanwhile', async () => {
    await mkdir(join(proc, '20'));
    await mkdir(join(proc, '21/task/21'), { recursive: true });
    await writeFile(join(proc, 'self'), '');
    expect((await usersOf('web')).get('web')).to.deep.equal({ processes: 0, unreadable: 0 });
  });

  it('asks after one again', async () => {
    const path = await thread(20, 20, { current: 'web//&other (enforce)\n' });
    const table = openProcessTable(proc);
    const task = { pid: '20', tid: '20' };
    expect([table.isUser(task, 'web'), table.isUser(task, 'other'), table.isUser(task, 'third')]).to.deep.equal([
      true,
      true,
      false,
    ]);
    await writeFile(join(path, 'current'), 'unconfined\n');
    expect(table.isUser(task, 'web')).to.equal(false);
    await rm(join(path, 'current'));
    expect(table.isUser(task, 'web')).to.equal(false);
    await mkdir(join(path, 'current'));
    expect(table.isUser(task, 'web')).to.equal(true);
  });

  describe('a /proc that does not show all', () => {
    it('is not believed: another PID namespace, or hidepid', async () => {
      await thread(1, 1, { current: 'unconfined\n' });
      await threads(51);
      expect((await usersOf('web')).get('web')).to.include({ processes: 0 });
      await threads(52);
      expect(await refused())
        .to.contain("1 of the node's 52 threads")
        .and.to.contain('hidepid');
    });

    it('is not believed without the number of threads', async () => {
      await writeFile(join(proc, 'loadavg'), 'junk');
      expect(await refused()).to.contain('loadavg');
      await rm(join(proc, 'loadavg'));
      expect(await refused()).to.contain('ENOENT');
    });

    it('is not believed if it cannot be listed', async () => {
      const table = openProcessTable(join(proc, 'loadavg'));
      const error = await table.usersOf(new Set(['web'])).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(ProcessTableError);
    });
  });

  it('sees what starts while it looks, though what started it has ended', async () => {
    for (let pid = 1; pid <= 150; pid++) start(pid, 'unconfined');
    const looking = usersOf('web');
    // It has given others their turn after the first hundred; all were listed before.
    rmSync(join(proc, '150'), { recursive: true });
    start(151, 'web (enforce)');
    expect((await looking).get('web')).to.include({ processes: 1 });
  });

  it('sees a thread that starts while it looks, though what started it has ended', async () => {
    for (let tid = 1; tid <= 150; tid++) start(1, 'unconfined', tid);
    const looking = usersOf('web');
    rmSync(join(proc, '1/task/150'), { recursive: true });
    start(1, 'web (enforce)', 151);
    expect((await looking).get('web')).to.include({ processes: 1 });
  });

  it('is not believed where processes start faster than it looks', async () => {
    let last = 0;
    let isOver = false;
    const startHundred = (): void => {
      if (isOver) return;
      for (const end = last + 100; last < end; last++) start(last, 'unconfined');
      setImmediate(startHundred);
    };
    startHundred();
    const message = await refused();
    isOver = true;
    expect(message).to.contain('start faster');
  });

  it('lets others have their turn', async () => {
    for (let pid = 1; pid <= 250; pid++) await thread(pid, pid, { current: 'unconfined\n' });
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await usersOf('web');
    isOver = true;
    expect(turns).to.be.at.least(2);
  });

  it("sees all of this machine's threads", async () => {
    const users = await openProcessTable('/proc').usersOf(new Set(['no-such-profile']));
    expect(users.get('no-such-profile')?.processes).to.equal(0);
  });
});

describe('kernel/profile-name', () => {
  for (const [label, names] of [
    ['unconfined\n', []],
    ['', []],
    ['web (enforce)\n', ['web']],
    ['web (enforce)', ['web']],
    ['web//hat (complain)\n', ['web']],
    ['web//null-/bin/sh (complain)\n', ['web']],
    ['dnsmasq///usr/sbin/dnsmasq (enforce)\n', ['dnsmasq']],
    ['/usr/sbin/nginx (enforce)\n', ['/usr/sbin/nginx']],
    ['a (b) c (enforce)\n', ['a (b) c']],
    ['a//&b//child (enforce)\n', ['a', 'b']],
    ['a (x)//&b (mixed)\n', ['a (x)', 'b']],
    ['a//&:ns://web (enforce)\n', ['a', 'web']],
    [':ns:web//hat (enforce)\n', ['web']],
    ['web (unconfined)\n', ['web']],
    ['kernel\0', ['kernel']],
  ] as const) {
    it(`${JSON.stringify(label)} is ${names.join(' and ') || 'nothing'}`, () => {
      expect(rootsInLabel(label)).to.deep.equal(names);
    });
  }
});
