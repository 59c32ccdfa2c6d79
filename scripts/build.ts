import { arch } from 'node:process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BUNDLES, bundle, bundleCli } from './bundle.ts';
import { ARCHITECTURES, type Architecture } from './elf.ts';
import { placeNode } from './node-binary.ts';

/** Fills dist/ with all that the Dockerfile copies from it, and with kubectl-apparmor. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { arch: { type: 'string', multiple: true } } });
  const architectures = values.arch === undefined ? [ownArchitecture()] : values.arch.map(architectureOf);
  const root = join(import.meta.dirname, '..');
  const dist = join(root, 'dist');
  for (const name of BUNDLES) {
    const { bytes } = await bundle(name, { entry: join(root, 'src', 'main.ts'), output: join(dist, `${name}.mjs`) });
    console.log(`dist/${name}.mjs: ${Math.ceil(bytes / 1024)} KiB`);
  }
  const cli = join(dist, 'kubectl-apparmor.mjs');
  const { bytes } = await bundleCli({ entry: join(root, 'src', 'cli', 'main.ts'), output: cli });
  console.log(`dist/kubectl-apparmor.mjs: ${Math.ceil(bytes / 1024)} KiB`);
  for (const architecture of architectures) {
    const version = await placeNode(architecture, { root, folder: join(dist, `node-${architecture}`) });
    console.log(`dist/node-${architecture}/node: ${version}`);
  }
}

function ownArchitecture(): Architecture {
  return architectureOf(arch === 'x64' ? 'amd64' : arch);
}

function architectureOf(name: string): Architecture {
  const architecture = ARCHITECTURES.find((known) => known === name);
  if (architecture === undefined)
    throw new Error(`no image is built for ${name}, only for ${ARCHITECTURES.join(' and ')}`);
  return architecture;
}

await main();
