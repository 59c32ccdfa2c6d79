import { expect } from 'chai';
import { createProfileUseWatch } from '../../../src/agent/profile-use.ts';
import type { ProfileUseWatch } from '../../../src/agent/profile-use.ts';
import type { ProfileUse } from '../../../src/agent/removals.ts';
import { createInMemoryProcesses, UNREADABLE } from '../kernel/in-memory-processes.ts';
import type { InMemoryProcesses } from '../kernel/in-memory-processes.ts';

describe('agent/profile-use', () => {
  let processes: InMemoryProcesses;
  let watch: ProfileUseWatch;
  let now: number;

  beforeEach(() => {
    processes = createInMemoryProcesses();
    now = 0;
    watch = createProfileUseWatch(processes, () => now);
    watch.watch(['web']);
  });

  const use = (): ProfileUse | undefined => watch.uses().get('web');
  const free = async (...profiles: string[]): Promise<readonly string[]> => [
    ...(await watch.freeOf(new Set(profiles))),
  ];

  it('looks at nothing while nothing is watched', async () => {
    watch.watch([]);
    expect([watch.isDue(), await watch.look(), processes.looks]).to.deep.equal([false, false, 0]);
  });

  it('is due at first, and then once a minute', async () => {
    expect([watch.isDue(), use()]).to.deep.equal([true, undefined]);
    expect(await watch.look()).to.equal(true);
    expect([watch.isDue(), use()]).to.deep.equal([false, counted(0)]);
    now = 59_999;
    expect(watch.isDue()).to.equal(false);
    now = 60_000;
    expect(watch.isDue()).to.equal(true);
    expect(await watch.look()).to.equal(false);
    expect(watch.isDue()).to.equal(false);
  });

  it('is due at once when the process that was seen is gone', async () => {
    processes.running.set('20', 'web').set('30', 'web');
    await watch.look();
    expect([use(), watch.isDue()]).to.deep.equal([counted(2), false]);
    processes.running.delete('30');
    expect(watch.isDue()).to.equal(false);
    processes.running.delete('20');
    expect(watch.isDue()).to.equal(true);
    expect(await watch.look()).to.equal(true);
    expect(use()).to.equal(use());
    expect(use()).to.deep.equal(counted(0));
  });

  it('changes the number at most once a minute, except from and to 0', async () => {
    const steps: [at: number, running: number, said: number, isNews: boolean][] = [
      [0, 3, 3, true],
      [1_000, 4, 3, false],
      [59_000, 5, 3, false],
      [60_000, 5, 5, true],
      [61_000, 5, 5, false],
      [62_000, 0, 0, true],
      [63_000, 1, 1, true],
      [64_000, 2, 1, false],
      [123_000, 2, 2, true],
    ];
    for (const [at, running, said, isNews] of steps) {
      now = at;
      processes.running.clear();
      for (let pid = 0; pid < running; pid++) processes.running.set(`${at}${pid}`, 'web');
      expect(await watch.look(), `at ${at}`).to.equal(isNews);
      expect(use(), `at ${at}`).to.deep.equal(counted(said));
    }
  });

  it('counts what cannot be read', async () => {
    processes.running.set('20', UNREADABLE);
    await watch.look();
    expect(use()).to.deep.equal(counted(0, 1));
    expect(await free('web')).to.deep.equal([]);
  });

  it('says that it cannot see, and looks again after 10 s', async () => {
    processes.hidden = true;
    await watch.look();
    expect(use()).to.deep.equal({ kind: 'unseen', message: 'shows 1 of 500 threads' });
    expect(await free('web')).to.deep.equal([]);
    now = 9_999;
    expect(watch.isDue()).to.equal(false);
    now = 10_000;
    expect(watch.isDue()).to.equal(true);
    expect(await watch.look()).to.equal(false);
    processes.hidden = false;
    expect(await watch.look()).to.equal(true);
    expect(use()).to.deep.equal(counted(0));
  });

  it('looks again whenever it is asked which are free, and remembers what it saw', async () => {
    await watch.look();
    expect(await free('web', 'other')).to.deep.equal(['web', 'other']);
    processes.running.set('20', 'web');
    expect([use(), await free('web', 'other')]).to.deep.equal([counted(0), ['other']]);
    expect([use(), processes.looks]).to.deep.equal([counted(1), 3]);
  });

  it('forgets what is no longer watched', async () => {
    await watch.look();
    watch.watch(['other']);
    expect([...watch.uses().keys()]).to.deep.equal([]);
    expect(watch.isDue()).to.equal(true);
  });

  it('passes on what it does not know', async () => {
    processes.beforeLook = () => {
      throw new TypeError('bug');
    };
    expect(await watch.look().catch((error: unknown) => error)).to.be.instanceOf(TypeError);
  });
});

function counted(processes: number, unreadable = 0): ProfileUse {
  return { kind: 'counted', processes, unreadable };
}
