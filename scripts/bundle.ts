import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, dirname } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

/** A file of the image for each subcommand of the program. */
export const BUNDLES = ['controller', 'agent'] as const;
export type BundleName = (typeof BUNDLES)[number];

/**
 * Packages that cost an idle process memory, and each node runs an agent. Measured: client-node 33–42 MB, the X.509 library
 * 5 MB (and 270 KB of a bundle), which only a controller that issues a certificate loads.
 */
const KEPT_OUT: Record<BundleName, readonly string[]> = {
  agent: [
    '@kubernetes/client-node',
    'kubernetes-fluent-client',
    '@peculiar/asn1-schema',
    '@peculiar/asn1-x509',
    'asn1js',
  ],
  controller: [],
};

/** A bundle holds what it must not. */
export class BundleError extends Error {
  override name = 'BundleError';
}

export interface BundleOptions {
  /** The program's main.ts. */
  entry: string;
  output: string;
}

/** Writes the program with only one of its subcommands into one file. Throws BundleError if it holds what it must not. */
export async function bundle(name: BundleName, options: BundleOptions): Promise<{ bytes: number }> {
  const plugins = [onlyCommand(name), ofNodeItself];
  return write({ ...options, name, plugins, target: 'node24', keptOut: KEPT_OUT[name] });
}

/** People's machines have older versions of Node.js than the image; this is the oldest of package.json's `engines`. */
const OLDEST_NODE = 'node20';

/** What takes a second to start, or talks to a cluster. */
const KEPT_OUT_OF_CLI = [...KEPT_OUT.agent, 'winston', 'prom-client'];

/** Writes kubectl-apparmor into one executable file. Throws BundleError if it holds what it must not. */
export async function bundleCli(options: BundleOptions): Promise<{ bytes: number }> {
  const written = await write({
    ...options,
    name: 'kubectl-apparmor',
    plugins: [],
    target: OLDEST_NODE,
    keptOut: KEPT_OUT_OF_CLI,
  });
  await chmod(options.output, 0o755);
  return written;
}

interface WriteOptions extends BundleOptions {
  name: string;
  plugins: Plugin[];
  target: string;
  keptOut: readonly string[];
}

async function write({ name, entry, output, plugins, target, keptOut }: WriteOptions): Promise<{ bytes: number }> {
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    outfile: output,
    plugins,
    bundle: true,
    metafile: true,
    write: false,
    platform: 'node',
    target,
    format: 'esm',
    // Packages otherwise bring what helps to debug them, winston's for example tables of colours.
    define: { 'process.env.NODE_ENV': '"production"' },
    // Names stay: they are what a stack trace in a log has to offer.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'eof',
    logLevel: 'warning',
    // CommonJS packages call require for Node's own modules, and an ES module has none.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
  });
  const unwanted = packagesIn(metafile).filter((found) => keptOut.includes(found));
  if (unwanted.length > 0) {
    throw new BundleError(
      `the ${name} bundle contains ${unwanted.map((found) => howItGotIn(metafile, found)).join('; ')}`,
    );
  }
  const [file] = outputFiles;
  if (file === undefined) throw new BundleError(`the ${name} bundle is empty`);
  await mkdir(dirname(output), { recursive: true });
  await writeFile(output, file.contents);
  return { bytes: file.contents.length };
}

/**
 * Imports Node's own modules as CommonJS does. An ES module's import reads every getter of such a module, and one of node:http's loads
 * undici, for a WebSocket that nobody asked for. Measured with `define` above: an agent runs after 0.15 s of processor time instead of
 * 0.18, and has 3 MB less.
 */
const ofNodeItself: Plugin = {
  name: 'of-node-itself',
  setup(plugin) {
    plugin.onResolve({ filter: /^[\w:/-]+$/ }, ({ path }) =>
      isBuiltin(path) ? { path, namespace: 'of-node-itself' } : undefined,
    );
    plugin.onLoad({ filter: /.*/, namespace: 'of-node-itself' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** Replaces the commands that the bundle is not for: main.ts imports each from `./NAME/command.ts`. */
function onlyCommand(name: BundleName): Plugin {
  return {
    name: 'only-command',
    setup(plugin) {
      plugin.onResolve({ filter: /^\.\/[\w-]+\/command\.ts$/ }, ({ path }) => {
        const command = basename(dirname(path));
        return command === name ? undefined : { path: command, namespace: 'other-command' };
      });
      plugin.onLoad({ filter: /.*/, namespace: 'other-command' }, ({ path: command }) => ({
        contents: `export async function ${command}Command() {
          process.stderr.write('this file holds only the command ${name}, not ${command}\\n');
          return 2;
        }`,
      }));
    },
  };
}

/** Names of the npm packages that a bundle was made from. */
export function packagesIn({ inputs }: Pick<Metafile, 'inputs'>): string[] {
  return [
    ...new Set(
      Object.keys(inputs)
        .map(packageOf)
        .filter((name) => name !== undefined),
    ),
  ];
}

function packageOf(input: string): string | undefined {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
}

function howItGotIn({ inputs }: Metafile, unwanted: string): string {
  const importer = Object.entries(inputs).find(
    ([input, { imports }]) => packageOf(input) !== unwanted && imports.some(({ path }) => packageOf(path) === unwanted),
  );
  return importer === undefined ? unwanted : `${unwanted}, imported by ${importer[0]}`;
}
