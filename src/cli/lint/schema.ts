import { APPARMORPROFILE_SCHEMA } from '../../api/generated/apparmorprofile-schema.ts';
import { isRecord } from '../../api/json.ts';
import { printable } from '../../policy/printable.ts';

/** Names of fields and, for items of lists, indexes. */
export type FieldPath = readonly (string | number)[];

export interface SchemaFault {
  path: FieldPath;
  message: string;
  remedy: string;
  /** The value cannot be read as what it should be, so that no other rule can be asked about the object. */
  unusable: boolean;
}

/** Keywords of OpenAPI v3 that the CRD uses, besides CEL rules, which only an API server evaluates. */
interface Schema {
  readonly type: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

/** One wrong object must not fill the screen; what is wrong once in a list is often wrong in all of it. */
const MOST_FAULTS = 20;

/** What the API server would refuse in an AppArmorProfile, as it does with `kubectl apply` (strict field validation). */
export function schemaFaults(object: unknown): SchemaFault[] {
  const faults: SchemaFault[] = [];
  for (const fault of faultsOf(object, APPARMORPROFILE_SCHEMA, [])) {
    faults.push(fault);
    if (faults.length === MOST_FAULTS) break;
  }
  return faults;
}

function* faultsOf(value: unknown, schema: Schema, path: FieldPath): Generator<SchemaFault> {
  const found = typeOf(value);
  if (found !== schema.type) {
    yield {
      path,
      message: `${fieldName(path)} must be ${AN[schema.type] ?? schema.type}, not ${AN[found] ?? found}`,
      remedy: REMEDY[found] ?? DESCRIBED,
      unusable: true,
    };
    return;
  }
  if (typeof value === 'string') yield* textFaults(value, schema, path);
  else if (Array.isArray(value)) yield* listFaults(value, schema, path);
  else if (isRecord(value)) yield* objectFaults(value, schema, path);
}

function* textFaults(value: string, schema: Schema, path: FieldPath): Generator<SchemaFault> {
  const fault = (message: string, unusable = false): SchemaFault => ({ path, message, remedy: DESCRIBED, unusable });
  const name = fieldName(path);
  const { enum: words, minLength = 0, maxLength = Infinity, pattern } = schema;
  if (words !== undefined && !words.includes(value)) {
    yield fault(`${name} must be ${words.join(' or ')}, not ${printable(value)}`, true);
  }
  // The API server counts characters, not UTF-16 units.
  const length = value.length < minLength || value.length > maxLength ? Array.from(value).length : value.length;
  if (length < minLength) yield fault(`${name} is empty`);
  if (length > maxLength) yield fault(`${name} has ${length} characters, at most ${maxLength} are allowed`);
  else if (pattern !== undefined && !new RegExp(pattern).test(value)) {
    yield fault(`${name}: ${printable(value)} does not match ${pattern}`);
  }
}

function* listFaults(list: readonly unknown[], schema: Schema, path: FieldPath): Generator<SchemaFault> {
  yield* countFaults(list.length, 'items', schema.minItems, schema.maxItems, path);
  for (const [index, item] of list.entries()) {
    if (schema.items !== undefined) yield* faultsOf(item, schema.items, [...path, index]);
  }
}

function* objectFaults(object: Record<string, unknown>, schema: Schema, path: FieldPath): Generator<SchemaFault> {
  const { properties, additionalProperties, required = [] } = schema;
  for (const name of required) {
    // The API server takes null for absent.
    if (object[name] !== undefined && object[name] !== null) continue;
    yield {
      path: [...path, name],
      message: `${fieldName([...path, name])} is missing`,
      remedy: DESCRIBED,
      unusable: true,
    };
  }
  yield* countFaults(Object.keys(object).length, 'entries', schema.minProperties, schema.maxProperties, path);
  for (const [name, value] of Object.entries(object)) {
    if (value === null && additionalProperties === undefined) continue;
    const known = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (known !== undefined) yield* faultsOf(value, known, [...path, name]);
    else if (properties !== undefined) yield unknownField([...path, name], Object.keys(properties));
  }
}

function* countFaults(
  count: number,
  what: string,
  least = 0,
  most = Infinity,
  path: FieldPath = [],
): Generator<SchemaFault> {
  if (count >= least && count <= most) return;
  const bound = count < least ? `at least ${least} must be given` : `at most ${most} are allowed`;
  yield { path, message: `${fieldName(path)} has ${count} ${what}, ${bound}`, remedy: DESCRIBED, unusable: false };
}

function unknownField(path: FieldPath, known: readonly string[]): SchemaFault {
  const name = String(path.at(-1));
  const meant = known.find((each) => each.toLowerCase() === name.toLowerCase());
  return {
    path,
    message: `${printable(fieldName(path))} is no field of an AppArmorProfile`,
    remedy: meant === undefined ? `fields here are ${known.join(', ')}` : `write ${meant}`,
    unusable: false,
  };
}

const DESCRIBED = '`kubectl explain apparmorprofiles.spec --recursive` and the CRD describe every field';

const AN: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'a list',
  string: 'a text',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  null: 'empty',
};

const REMEDY: Readonly<Record<string, string>> = {
  boolean: 'if a text is meant, put it in quotes',
  integer: 'if a text is meant, put it in quotes',
  number: 'if a text is meant, put it in quotes',
};

/** As the API server names it. */
export function fieldName(path: FieldPath): string {
  if (path.length === 0) return 'the object';
  return path.reduce<string>(
    (name, step) => (typeof step === 'number' ? `${name}[${step}]` : name === '' ? step : `${name}.${step}`),
    '',
  );
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
