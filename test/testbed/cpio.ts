export interface CpioEntry {
  /** Path inside the archive, without a leading slash. */
  path: string;
  /** File type and permission bits as in stat(2), for example 0o100755. */
  mode: number;
  /** File content, or the target of a symbolic link. */
  content?: Buffer;
}

/** Packs entries into the "newc" archive that the Linux kernel unpacks as its initial root file system. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => packed(entry, index + 1));
  return Buffer.concat([...parts, ...packed({ path: 'TRAILER!!!', mode: 0 }, 0)]);
}

/** The format is described in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. */
function packed(entry: CpioEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  const content = entry.content ?? Buffer.alloc(0);
  const links = 1;
  const fields = [inode, entry.mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
