import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { schemaModule } from './schema-module.ts';

const ROOT = join(import.meta.dirname, '..');
const CRD_FOLDER = join(ROOT, 'crds');
const KFC = join(ROOT, 'node_modules', '.bin', 'kubernetes-fluent-client');
export const GENERATED_FOLDER = join(ROOT, 'src', 'api', 'generated');

/** The part of an OpenAPI schema that decides what the types are called and how. */
interface Schema {
  type?: string;
  title?: string;
  format?: string;
  enum?: string[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  items?: Schema;
}

interface CustomResourceDefinition {
  kind: string;
  spec: { names: { kind: string }; versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
}

/** File name → text of each TypeScript file that the CRDs in `crds/` give. Writes nothing into the checkout. */
export async function generateApi(): Promise<Map<string, string>> {
  const sources = await readDefinitions();
  // Before the generator's names are put into the schemas.
  const schemas = sources
    .filter(({ definition }) => definition.spec.names.kind === 'AppArmorProfile')
    .map(({ file, definition }) => `${header(`crds/${file}`)}${schemaModule(definition)}`);
  const generated = await runGenerator(sources.map(({ definition }) => definition));
  const files = new Map<string, string>();
  for (const { file, definition } of sources) {
    const kind = definition.spec.names.kind.toLowerCase();
    const types = definition.spec.versions.map(({ name }) => generated.get(`${kind}-${name}.ts`));
    const [text] = types;
    if (text === undefined || types.length > 1) throw new Error(`${file}: types of exactly one version were expected`);
    const metadata = `import type { ObjectMeta } from '../../kube/resource.ts';`;
    files.set(`${kind}.ts`, `${header(`crds/${file}`)}${metadata}\n\n${plainTypes(text).trim()}\n`);
  }
  const exports = [...files.keys()].map((name) => `export type * from './${name}';\n`);
  files.set('index.ts', `${header('crds/')}${exports.join('')}`);
  for (const text of schemas) files.set('apparmorprofile-schema.ts', text);
  return files;
}

async function readDefinitions(): Promise<{ file: string; definition: CustomResourceDefinition }[]> {
  const definitions: { file: string; definition: CustomResourceDefinition }[] = [];
  for (const file of (await readdir(CRD_FOLDER)).sort()) {
    const definition = parse(await readFile(join(CRD_FOLDER, file), 'utf8')) as CustomResourceDefinition;
    if (definition.kind === 'CustomResourceDefinition') definitions.push({ file, definition });
  }
  return definitions;
}

/** File name → text as `kfc crd` writes it, for all definitions in one run: loading the generator takes most of the time. */
async function runGenerator(definitions: readonly CustomResourceDefinition[]): Promise<Map<string, string>> {
  const scratch = await mkdtemp(join(tmpdir(), 'generate-api-'));
  try {
    for (const { spec } of definitions) {
      for (const { schema } of spec.versions) {
        nameTypes(schema.openAPIV3Schema, spec.names.kind);
        schema.openAPIV3Schema.required = ['metadata', ...(schema.openAPIV3Schema.required ?? [])];
      }
    }
    const input = join(scratch, 'crds.yaml');
    const output = join(scratch, 'types');
    await writeFile(input, definitions.map((each) => stringify(each, { aliasDuplicateObjects: false })).join('---\n'));
    await promisify(execFile)(process.execPath, [KFC, 'crd', '--plain', input, output]);
    const texts = (await readdir(output)).map(
      async (file) => [file, await readFile(join(output, file), 'utf8')] as const,
    );
    return new Map(await Promise.all(texts));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function header(source: string): string {
  return `// Generated from ${source} by scripts/generate-api.ts (npm run generate): do not edit.\n`;
}

/**
 * Gives each object and enumeration the name `Kind` + path (the generator makes up `Spec` and `StatusObject` by itself),
 * and takes date-time away, for which it writes `Date`: what the API server sends is a string.
 */
function nameTypes(schema: Schema, name: string): void {
  delete schema.format;
  if (schema.type === 'object' || schema.enum !== undefined) schema.title = name;
  for (const [property, member] of Object.entries(schema.properties ?? {})) {
    nameTypes(member, name + property.charAt(0).toUpperCase() + property.slice(1));
  }
  if (schema.additionalProperties !== undefined) nameTypes(schema.additionalProperties, name);
  if (schema.items !== undefined) nameTypes(schema.items, name.replace(/s$/, ''));
}

/** The generator's TypeScript without enums, which would be code and not only types, and with real metadata. */
export function plainTypes(text: string): string {
  const types = text
    .replaceAll(/export enum (\w+) \{\n([^}]*)\}/g, (_all, name: string, members: string) => {
      const values = [...members.matchAll(/= "([^"]*)"/g)].map(([, value]) => `'${value}'`);
      return `export type ${name} = ${values.join(' | ')};`;
    })
    .replace(/metadata: \{ \[key: string\]: any \}/, 'metadata: ObjectMeta');
  const unusable = /^.*\b(any|enum|Date)\b.*$/m.exec(types.replaceAll(/\/\*[^]*?\*\//g, ''));
  if (unusable !== null) throw new Error(`the generated types contain ${unusable[1]}: ${unusable[0].trim()}`);
  return types;
}

async function main(): Promise<void> {
  await mkdir(GENERATED_FOLDER, { recursive: true });
  for (const [file, text] of await generateApi()) {
    await writeFile(join(GENERATED_FOLDER, file), text);
    console.log(`src/api/generated/${file}`);
  }
}

if (import.meta.main) await main();
