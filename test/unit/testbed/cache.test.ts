import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  cached,
  defaultCacheFolder,
  formatElapsed,
  isCached,
  type Cache,
  type CacheEntry,
} from '../../testbed/cache.ts';
import { start, waitFor } from '../../testbed/process.ts';

describe('the cache of the test bed', () => {
  let folder: string;
  let lines: string[];
  let cache: Cache;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cache-test-'));
    lines = [];
    cache = { folder, log: (line) => lines.push(line) };
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('builds once for all who want it at the same time', async () => {
    let builds = 0;
    const entry = {
      name: 'thing',
      key: ['1'],
      build: async (into: string) => {
        builds += 1;
        await writeFile(join(into, 'result'), 'made');
      },
    };
    expect(await isCached(cache, entry)).to.equal(false);
    const results = await Promise.all([1, 2, 3].map(() => cached(cache, entry)));
    expect(new Set(results).size).to.equal(1);
    expect(builds).to.equal(1);
    expect(await readFile(join(results[0] ?? '', 'result'), 'utf8')).to.equal('made');
    expect(await isCached(cache, entry)).to.equal(true);
  });

  it('builds again when any part of the key differs, wherever the parts are cut', async () => {
    const built: string[] = [];
    const get = (key: readonly string[]) =>
      cached(cache, { name: 'thing', key, build: async () => void built.push(key.join('|')) });
    await get(['ab', 'c']);
    await get(['a', 'bc']);
    await get(['ab', 'c']);
    expect(built).to.deep.equal(['ab|c', 'a|bc']);
  });

  it('keeps nothing of a build that fails, and builds again', async () => {
    const failing = {
      name: 'thing',
      key: ['1'],
      build: async (into: string) => {
        await writeFile(join(into, 'half'), '');
        throw new Error('no luck');
      },
    };
    const error = await cached(cache, failing).catch((error: unknown) => error);
    expect(String(error)).to.contain('no luck');
    expect(await readdir(join(folder, 'thing'))).to.deep.equal([]);
    expect(lines.at(-1)).to.match(/^thing: failed after/);
    await cached(cache, { ...failing, build: async () => undefined });
  });

  it('removes results not used for long, but the latest', async () => {
    for (const key of ['1', '2', '3']) {
      const result = await cached(cache, emptyEntry(key));
      const longAgo = Date.now() / 1000 - 100_000 + Number(key);
      await utimes(result, longAgo, longAgo);
    }
    await cached(cache, emptyEntry('4'));
    const left = await Promise.all(['1', '2', '3', '4'].map((key) => isCached(cache, emptyEntry(key))));
    expect(left).to.deep.equal([false, false, true, true]);
  });

  it('takes over from a process that was killed while it built', async () => {
    const module = join(import.meta.dirname, '../../testbed/cache.ts');
    const script = `
      import { cached } from ${JSON.stringify(module)};
      await cached({ folder: ${JSON.stringify(folder)}, log: console.log }, {
        name: 'thing', key: ['1'], build: async () => { console.log('BUSY'); setInterval(() => {}, 1000); await new Promise(() => {}); },
      });`;
    let output = '';
    const onOutput = (text: string): void => void (output += text);
    const other = start(process.execPath, ['--input-type=module', '--eval', script], { onOutput });
    await waitFor('the other to build', { deadlineMs: 9000, processes: [other] }, () => output.includes('BUSY'));

    const ours = cached(cache, { name: 'thing', key: ['1'], build: async () => undefined });
    await waitFor('us to wait', { deadlineMs: 9000 }, () => lines.some((line) => line.includes('waiting for it')));
    process.kill(other.pid ?? 0, 'SIGKILL');
    await ours;
    expect(await readdir(join(folder, 'thing'))).to.have.lengthOf(1);
  });

  it('stops waiting when told', async () => {
    const first = Promise.withResolvers<void>();
    const building = Promise.withResolvers<void>();
    const entry = { name: 'thing', key: ['1'] };
    const one = cached(cache, {
      ...entry,
      build: () => {
        building.resolve();
        return first.promise;
      },
    });
    await building.promise;
    const signal = AbortSignal.abort(new Error('enough'));
    const error = await cached({ ...cache, signal }, { ...entry, build: async () => undefined }).catch(String);
    expect(error).to.contain('enough');
    first.resolve();
    await one;
  });

  it('is where XDG says, or in the home folder', () => {
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '/x', HOME: '/h' })).to.equal('/x/apparmor-operator');
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '', HOME: '/h' })).to.equal('/h/.cache/apparmor-operator');
  });

  it('writes elapsed times as people say them', () => {
    expect([400, 59_400, 65_000, 3_600_000].map(formatElapsed)).to.deep.equal([
      '0 s',
      '59 s',
      '1 min 5 s',
      '60 min 0 s',
    ]);
  });
});

function emptyEntry(key: string): CacheEntry {
  return { name: 'thing', key: [key], build: async () => undefined };
}
