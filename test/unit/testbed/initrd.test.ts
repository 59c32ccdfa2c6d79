import { expect } from 'chai';

import { cpioArchive } from '../../testbed/cpio.ts';
import { loadOrder } from '../../testbed/initrd.ts';

describe('test bed: initrd', () => {
  const modulesDep = [
    'kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/jbd2/jbd2.ko.xz',
    'kernel/fs/jbd2/jbd2.ko.xz:',
    'kernel/lib/crc16.ko.xz:',
    'kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio-ring.ko',
    'kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio-ring.ko',
    'kernel/drivers/virtio/virtio-ring.ko:',
  ].join('\n');

  it('loads what a module depends on before it, each once', () => {
    expect(loadOrder(modulesDep, ['virtio_ring', 'virtio_blk'])).to.deep.equal([
      'kernel/drivers/virtio/virtio-ring.ko',
      'kernel/drivers/virtio/virtio.ko',
      'kernel/drivers/block/virtio_blk.ko',
    ]);
  });

  it('begins with the last of the listed dependencies', () => {
    expect(loadOrder(modulesDep, ['ext4'])).to.deep.equal([
      'kernel/fs/jbd2/jbd2.ko.xz',
      'kernel/lib/crc16.ko.xz',
      'kernel/fs/ext4/ext4.ko.xz',
    ]);
  });

  it('leaves out what is built into the kernel', () => {
    expect(loadOrder(modulesDep, ['virtio_pci'])).to.deep.equal([]);
  });

  it('packs entries on boundaries of four bytes, with lengths in hexadecimal', () => {
    const archive = cpioArchive([{ path: 'bin/sh', mode: 0o120777, content: Buffer.from('busybox') }]);
    const header = archive.toString('latin1', 0, 110);
    expect(archive.length % 4).to.equal(0);
    expect(header.slice(0, 6)).to.equal('070701');
    expect(header.slice(14, 22)).to.equal((0o120777).toString(16).padStart(8, '0'));
    expect(header.slice(54, 62)).to.equal('00000007');
    expect(header.slice(94, 102)).to.equal('00000007');
    expect(archive.toString('latin1', 110, 117)).to.equal('bin/sh\0');
    expect(archive.toString('latin1', 120, 128)).to.equal('busybox\0');
    expect(archive.toString('latin1', 128, 134)).to.equal('070701');
    expect(archive.includes('TRAILER!!!\0')).to.equal(true);
  });
});
