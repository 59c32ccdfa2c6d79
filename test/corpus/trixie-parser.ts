import { chmod, glob, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompilerPaths } from '../../src/policy/compile.ts';
import { cached, type Cache } from '../testbed/cache.ts';
import { run, withSignal } from '../testbed/process.ts';
import { privateApt } from './private-apt.ts';

/** The parser and policy folder of Debian 13, as in the image, and the tests that came with that parser's sources. */
export interface TrixieAppArmor {
  /** With all of abi/4.0 as features, since no AppArmor is needed in the kernel here. */
  compiler: CompilerPaths;
  /** `parser/tst` of the sources; the policies are below `simple_tests/`. */
  corpus: string;
}

const SUITE = 'trixie';

/** Fetches both with the machine's apt unless they are in the cache: 15 s, 30 MB of lists and packages, 20 MB kept. */
export async function trixieAppArmor(cache: Cache): Promise<TrixieAppArmor> {
  const sources = ['private-apt.ts', 'trixie-parser.ts'].map((name) => readFile(join(import.meta.dirname, name)));
  const folder = await cached(cache, {
    name: 'trixie-apparmor',
    key: [SUITE, process.arch, ...(await Promise.all(sources))],
    estimate: 'fetching apparmor_parser and its tests, about 20 s',
    build: (folder) => fetchAppArmor(cache, folder),
  });
  const policies = join(folder, 'root/etc/apparmor.d');
  return {
    compiler: {
      parser: join(folder, 'apparmor_parser'),
      prlimit: '/usr/bin/prlimit',
      basePath: policies,
      features: join(policies, 'abi/4.0'),
      workFolder: tmpdir(),
    },
    corpus: join(folder, 'corpus'),
  };
}

async function fetchAppArmor(cache: Cache, folder: string): Promise<void> {
  const work = join(folder, 'apt');
  const [root, corpus] = [join(folder, 'root'), join(folder, 'corpus')];
  for (const path of [work, root, corpus]) await mkdir(path);
  const apt = await privateApt(cache, work, SUITE);

  await apt.get(['install', '--download-only', 'apparmor'], work);
  for (const name of await readdir(apt.archives)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(apt.archives, name), root], withSignal(cache));
  }
  await apt.get(['source', '--download-only', 'apparmor'], work);
  const archive = (await readdir(work)).find((name) => /\.orig\.tar\.\w+$/.test(name));
  if (archive === undefined) throw new Error('the source package apparmor has no .orig.tar');
  // Debian's own patches touch none of these files.
  const part = ['--strip-components=3', '--wildcards', '*/parser/tst/simple_tests'];
  await run('tar', ['-x', '-f', join(work, archive), '-C', corpus, ...part], withSignal(cache));
  await rm(work, { recursive: true });
  await writeStarter(folder, root);
}

/** The machine's C library may be older than the parser's, so it runs with its own. */
async function writeStarter(folder: string, root: string): Promise<void> {
  for await (const loader of glob('usr/lib/*/ld-linux-*.so.*', { cwd: root })) {
    const starter = join(folder, 'apparmor_parser');
    const libraries = join('root', loader, '..');
    await writeFile(
      starter,
      `#!/bin/sh\nhere=\${0%/*}\nexec "$here/root/${loader}" --library-path "$here/${libraries}" "$here/root/usr/sbin/apparmor_parser" "$@"\n`,
    );
    await chmod(starter, 0o755);
    return;
  }
  throw new Error(`no dynamic loader in ${root}`);
}
