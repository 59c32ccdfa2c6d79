import { expect } from 'chai';
import { type Binaries, imageBinaries } from '../testbed/image-binaries.ts';
import { defaultCacheFolder } from '../testbed/cache.ts';

/** EM_X86_64 and EM_AARCH64 (include/uapi/linux/elf-em.h). */
const MACHINES = { amd64: 62, arm64: 183 } as const;

/** What the agent and the controller run, and what these are linked with. */
const NEEDED = [
  '/usr/local/bin/node',
  '/usr/sbin/apparmor_parser',
  '/usr/bin/prlimit',
  'libc.so.6',
  'libm.so.6',
  'libgcc_s.so.1',
  'libstdc++.so.6',
];

describe('the image for all architectures', function () {
  // Prepared while earlier levels run; from nothing by itself 3 min.
  this.timeout(30 * 60_000);

  let built: Awaited<ReturnType<typeof imageBinaries>>;
  before(async () => {
    built = await imageBinaries({ folder: defaultCacheFolder(process.env), log: console.log });
  });

  for (const architecture of ['amd64', 'arm64'] as const) {
    it(`holds only binaries for ${architecture}, all that run there among them`, () => {
      const binaries = built[architecture];
      const strange = Object.entries(binaries).filter(([, machine]) => machine !== MACHINES[architecture]);
      expect(strange).to.deep.equal([]);
      expect(NEEDED.filter((path) => !has(binaries, path))).to.deep.equal([]);
    });
  }
});

/** Debian has libraries in folders of the architecture's name, some under a longer name. */
function has(binaries: Binaries, name: string): boolean {
  return Object.keys(binaries).some((path) => path === name || path.includes(`-linux-gnu/${name}`));
}
