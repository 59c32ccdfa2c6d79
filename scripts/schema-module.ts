interface Definition {
  spec: { versions: readonly { schema: { openAPIV3Schema: object } }[] };
}

/**
 * TypeScript of a constant that holds what a definition's schema demands of what users write: without descriptions and CEL
 * rules, and without the status, which is not theirs.
 */
export function schemaModule({ spec }: Definition): string {
  const [version] = spec.versions;
  if (version === undefined || spec.versions.length > 1)
    throw new Error('the schema of exactly one version was expected');
  const schema = demandsOf(version.schema.openAPIV3Schema) as { properties: Record<string, unknown> };
  const properties = { ...schema.properties, status: { type: 'object' } };
  return `export const APPARMORPROFILE_SCHEMA = ${JSON.stringify({ ...schema, properties }, undefined, 2)} as const;\n`;
}

/** Keywords that hold schemas by the name of a field. */
const BY_NAME = new Set(['properties']);
const NESTED = new Set(['items', 'additionalProperties']);
const PLAIN = new Set(
  'type enum required pattern minLength maxLength minItems maxItems minProperties maxProperties'.split(' '),
);

function demandsOf(schema: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema).flatMap(([keyword, value]: [string, unknown]) => {
      if (PLAIN.has(keyword)) return [[keyword, value]];
      if (NESTED.has(keyword)) return [[keyword, demandsOf(value as object)]];
      if (!BY_NAME.has(keyword)) return [];
      const fields = Object.entries(value as Record<string, object>);
      return [[keyword, Object.fromEntries(fields.map(([name, field]) => [name, demandsOf(field)]))]];
    }),
  );
}
