import { expect } from 'chai';
import { defaultCacheFolder } from '../testbed/cache.ts';
import { armImageBinaries } from '../testbed/arm-image.ts';

/** EM_AARCH64 (include/uapi/linux/elf-em.h). */
const ARM64 = 183;

describe('the image for arm64', () => {
  it('is built from the Dockerfile without emulation, and every binary in it is for arm64', async function () {
    // Prepared while earlier levels run; from nothing by itself 2 min.
    this.timeout(30 * 60_000);
    const machines = await armImageBinaries({ folder: defaultCacheFolder(process.env), log: console.log });
    expect([...machines].filter(([, machine]) => machine !== ARM64)).to.deep.equal([]);
    const paths = [...machines.keys()];
    // What the agent and the controller run, and what these are linked with.
    expect(paths).to.include.members(['/usr/local/bin/node', '/usr/sbin/apparmor_parser', '/usr/bin/prlimit']);
    for (const library of ['ld-linux-aarch64.so.1', 'libc.so.6', 'libstdc++.so.6', 'libm.so.6', 'libgcc_s.so.1']) {
      expect(
        paths.some((path) => path.includes(`/${library}`)),
        library,
      ).to.equal(true);
    }
  });
});
