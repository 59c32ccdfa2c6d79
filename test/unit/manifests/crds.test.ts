import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { API_GROUP, API_VERSION } from '../../../src/api/names.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { ROOT } from './folders.ts';

interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema;
  'x-kubernetes-list-type'?: string;
}

interface Definition {
  metadata: { name: string };
  spec: {
    group: string;
    scope: string;
    names: { kind: string; plural: string; shortNames: string[]; categories: string[] };
    versions: {
      name: string;
      subresources: object;
      additionalPrinterColumns: { name: string; priority?: number }[];
      schema: { openAPIV3Schema: Schema };
    }[];
  };
}

const kinds = [
  {
    file: 'apparmorprofiles.yaml',
    resource: APPARMOR_PROFILE,
    shortName: 'aap',
    columns: ['Ready', 'Nodes', 'Pods', 'Mode', 'Reason', 'Age'],
    wide: ['Message'],
  },
  {
    file: 'apparmornodes.yaml',
    resource: APPARMOR_NODE,
    shortName: 'aan',
    columns: ['Enforcing', 'Loaded', 'Problems', 'Kernel', 'Age'],
    wide: ['Reason', 'Message'],
  },
];

for (const { file, resource, shortName, columns, wide } of kinds) {
  describe(`crds/${file}`, () => {
    let definition: Definition;
    let version: Definition['spec']['versions'][number];

    before(async () => {
      definition = parse(await readFile(join(ROOT, 'crds', file), 'utf8')) as Definition;
      const [only, ...others] = definition.spec.versions;
      if (only === undefined || others.length > 0) throw new Error('one version was expected');
      version = only;
    });

    it('is the resource that the program asks for', () => {
      const { group, scope, names } = definition.spec;
      const named = {
        group,
        version: version.name,
        plural: names.plural,
        namespaced: scope !== 'Cluster',
        kind: names.kind,
      };
      expect(named).to.deep.equal(resource);
      expect([group, version.name]).to.deep.equal([API_GROUP, API_VERSION]);
      expect(definition.metadata.name).to.equal(`${names.plural}.${group}`);
      expect(names.shortNames).to.deep.equal([shortName]);
      expect(names.categories).to.deep.equal(['security']);
      expect(version.subresources).to.deep.equal({ status: {} });
    });

    it('has the columns of the design', () => {
      const all = version.additionalPrinterColumns;
      expect(all.filter(({ priority = 0 }) => priority === 0).map(({ name }) => name)).to.deep.equal(columns);
      expect(all.filter(({ priority = 0 }) => priority > 0).map(({ name }) => name)).to.deep.equal(wide);
    });

    it('describes every field', () => {
      const silent = [...fields(version.schema.openAPIV3Schema)]
        .filter(
          ({ path, schema }) => path !== 'metadata' && !path.endsWith('[]') && (schema.description ?? '').length < 10,
        )
        .map(({ path, schema }) => `${path}: ${schema.description}`);
      expect(silent).to.deep.equal([]);
    });

    it('has no default: nothing of ours is written into a user’s spec', () => {
      const filled = [...fields(version.schema.openAPIV3Schema)].filter(({ schema }) => schema.default !== undefined);
      expect(filled.map(({ path }) => path)).to.deep.equal([]);
    });

    it('says of every list how server-side apply merges it', () => {
      const lists = [...fields(version.schema.openAPIV3Schema)].filter(({ schema }) => schema.type === 'array');
      const silent = lists.filter(({ schema }) => schema['x-kubernetes-list-type'] === undefined);
      expect(silent.map(({ path }) => path)).to.deep.equal([]);
    });
  });
}

function* fields(schema: Schema, parent = ''): Generator<{ path: string; schema: Schema }> {
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    const path = parent === '' ? name : `${parent}.${name}`;
    // The kind's own name is all that there is to say.
    if (path !== 'kind') yield { path, schema: member };
    yield* fields(member, path);
  }
  if (schema.items !== undefined) {
    yield { path: `${parent}[]`, schema: schema.items };
    yield* fields(schema.items, `${parent}[]`);
  }
}
