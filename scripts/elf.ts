import { open } from 'node:fs/promises';

/** Architectures that the image is built for, as container images name them. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** `e_machine` of the ELF header, from the System V ABI's processor supplements. */
const MACHINE = { amd64: 62, arm64: 183 } as const satisfies Record<Architecture, number>;

/** `e_machine` is the halfword at offset 18. */
const HEADER_LENGTH = 20;

/** Where `Elf64_Ehdr` and `Elf64_Phdr` have these fields, in bytes: elf.h of glibc. */
const HEADER64_LENGTH = 64;
const PROGRAM_HEADERS = { offsetAt: 32, sizeAt: 54, countAt: 56 } as const;
/** Their number and the index of their names follow their size, up to the header's end. */
const SECTION_HEADERS = { offsetAt: 40, sizeAt: 58 } as const;
const SEGMENT = { offsetAt: 8, fileSizeAt: 32 } as const;

/** A file is not the executable that it should be. */
export class ElfError extends Error {
  override name = 'ElfError';
}

/** Throws ElfError unless the file is a 64-bit little-endian ELF file for the architecture. */
export async function checkElfMachine(file: string, architecture: Architecture): Promise<void> {
  const machine = elfMachine(await firstBytes(file), file);
  if (machine === MACHINE[architecture]) return;
  const found = ARCHITECTURES.find((name) => MACHINE[name] === machine) ?? `machine ${machine}`;
  throw new ElfError(`${file} is for ${found}, not for ${architecture}`);
}

/** The machine number of an ELF file; undefined for a file of another kind. Throws ElfError as `elfMachine` does. */
export async function readElfMachine(file: string): Promise<number | undefined> {
  const header = await firstBytes(file);
  return isElf(header) ? elfMachine(header, file) : undefined;
}

/** The machine number in an ELF header. Throws ElfError if the bytes are no 64-bit little-endian ELF header. */
export function elfMachine(header: Buffer, file: string): number {
  if (!isElf(header)) throw new ElfError(`${file} is not an ELF file`);
  if (header[4] !== 2 || header[5] !== 1) throw new ElfError(`${file} is not a 64-bit little-endian ELF file`);
  return header.readUInt16LE(18);
}

/**
 * An executable up to the end of its last segment. What follows there, symbols and debug information, neither the kernel nor
 * the dynamic loader reads: of Node.js 18 of 127 MB, 4.3 of them when compressed. binutils' strip does the same, but for another
 * architecture only from a package of its own.
 */
export function segmentsOf(executable: Buffer, file: string): Buffer {
  elfMachine(executable, file);
  const headers = Number(executable.readBigUInt64LE(PROGRAM_HEADERS.offsetAt));
  const size = executable.readUInt16LE(PROGRAM_HEADERS.sizeAt);
  const count = executable.readUInt16LE(PROGRAM_HEADERS.countAt);
  let end = Math.max(HEADER64_LENGTH, headers + size * count);
  for (let at = headers; at < headers + size * count; at += size) {
    const offset = executable.readBigUInt64LE(at + SEGMENT.offsetAt);
    end = Math.max(end, Number(offset + executable.readBigUInt64LE(at + SEGMENT.fileSizeAt)));
  }
  if (end > executable.length) throw new ElfError(`${file} ends before its last segment`);
  const kept = Buffer.from(executable.subarray(0, end));
  kept.fill(0, SECTION_HEADERS.offsetAt, SECTION_HEADERS.offsetAt + 8);
  kept.fill(0, SECTION_HEADERS.sizeAt, HEADER64_LENGTH);
  return kept;
}

function isElf(header: Buffer): boolean {
  return header.length >= HEADER_LENGTH && header.toString('latin1', 0, 4) === '\x7fELF';
}

async function firstBytes(file: string): Promise<Buffer> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_LENGTH), 0, HEADER_LENGTH, 0);
  return buffer.subarray(0, bytesRead);
}
