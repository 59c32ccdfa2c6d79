import { open } from 'node:fs/promises';

/** Architectures that the image is built for, as container images name them. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** `e_machine` of the ELF header, from the System V ABI's processor supplements. */
const MACHINE = { amd64: 62, arm64: 183 } as const satisfies Record<Architecture, number>;

/** `e_machine` is the halfword at offset 18. */
const HEADER_LENGTH = 20;

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

function isElf(header: Buffer): boolean {
  return header.length >= HEADER_LENGTH && header.toString('latin1', 0, 4) === '\x7fELF';
}

async function firstBytes(file: string): Promise<Buffer> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_LENGTH), 0, HEADER_LENGTH, 0);
  return buffer.subarray(0, bytesRead);
}
