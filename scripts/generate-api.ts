import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';

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
  const scratch = await mkdtemp(join(tmpdir(), 'generate-api-'));
  try {
    const files = new Map<string, string>();
    for (const file of (await readdir(CRD_FOLDER)).sort()) {
      const definition = parse(await readFile(join(CRD_FOLDER, file), 'utf8')) as CustomResourceDefinition;
      if (definition.kind !== 'CustomResourceDefinition') continue;
      files.set(`${definition.spec.names.kind.toLowerCase()}.ts`, await generateTypes(definition, file, scratch));
    }
    const exports = [...files.keys()].map((name) => `export type * from './${name}';\n`);
    return files.set('index.ts', `${header('crds/')}${exports.join('')}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function generateTypes(definition: CustomResourceDefinition, source: string, scratch: string): Promise<string> {
  const { kind } = definition.spec.names;
  for (const version of definition.spec.versions) {
    const schema = version.schema.openAPIV3Schema;
    nameTypes(schema, kind);
    schema.required = ['metadata', ...(schema.required ?? [])];
  }
  const input = join(scratch, source);
  const output = join(scratch, kind);
  await writeFile(input, stringify(definition, { aliasDuplicateObjects: false }));
  await promisify(execFile)(process.execPath, [KFC, 'crd', '--plain', input, output]);
  const [file, ...others] = await readdir(output);
  if (file === undefined || others.length > 0) {
    throw new Error(
      `${source}: one version was expected, the generator wrote ${[file, ...others].join(', ') || 'nothing'}`,
    );
  }
  return (
    `${header(`crds/${source}`)}import type { ObjectMeta } from '../../kube/resource.ts';\n\n` +
    `${plainTypes(await readFile(join(output, file), 'utf8')).trim()}\n`
  );
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
