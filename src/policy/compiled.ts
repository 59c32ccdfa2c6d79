import type { ProfileMode } from './finding.ts';

/** One profile as the kernel will know it after this binary is loaded. Children and hats are entries of their own. */
export interface CompiledProfile {
  /** `parent//child` for children; with `:namespace:` in front where the policy names another policy namespace. */
  name: string;
  /** The attachment as text, where the format stores it (apparmor_parser up to 4.1 stores only its automaton). */
  attachment?: string;
  /** Whether an attachment automaton is there. A plain path as name attaches without one. */
  hasAttachmentAutomaton: boolean;
  mode: ProfileMode;
}

export class CompiledPolicyError extends Error {
  override readonly name = 'CompiledPolicyError';
}

/**
 * Names and modes in a policy compiled by apparmor_parser, read as the kernel unpacks it (security/apparmor/policy_unpack.c):
 * a stream of little-endian values, each behind a type byte, some behind a name.
 *
 * @throws CompiledPolicyError on anything that is not such a stream, also where it is cut short.
 */
export function readCompiledProfiles(binary: Buffer): readonly CompiledProfile[] {
  const reader = { binary, at: 0 };
  const profiles: CompiledProfile[] = [];
  let namespace: string | undefined;
  let forcedComplain = false;
  while (reader.at < binary.length) {
    const entry = readValue(reader);
    if (entry.name === 'version' && entry.type === TYPE.u32) {
      forcedComplain = (entry.number & FORCE_COMPLAIN) !== 0;
      namespace = undefined;
    } else if (entry.name === 'namespace' && entry.type === TYPE.string) {
      namespace = entry.text;
    } else if (entry.name === 'profile' && entry.type === TYPE.struct) {
      const profile = readProfile(reader, forcedComplain);
      profiles.push(namespace === undefined ? profile : { ...profile, name: `:${namespace}:${profile.name}` });
    } else {
      throw new CompiledPolicyError(`unexpected ${describe(entry)} at byte ${entry.at}`);
    }
  }
  return profiles;
}

const TYPE = {
  u8: 0,
  u16: 1,
  u32: 2,
  u64: 3,
  name: 4,
  string: 5,
  blob: 6,
  struct: 7,
  structEnd: 8,
  list: 9,
  listEnd: 10,
  array: 11,
  arrayEnd: 12,
} as const;

/** Set in the version by `--Complain`: the kernel puts the profile into complain mode whatever its flags say. */
const FORCE_COMPLAIN = 1 << 11;

/** PACKED_MODE_* of the kernel; `user` is what it prints for the parser's flag `prompt`. */
const MODES: readonly ProfileMode[] = ['enforce', 'complain', 'kill', 'unconfined', 'user'];

interface Reader {
  binary: Buffer;
  at: number;
}

interface Value {
  type: number;
  /** Where the value, or its name, began. */
  at: number;
  name?: string;
  number: number;
  text: string;
}

function readProfile(reader: Reader, forcedComplain: boolean): CompiledProfile {
  const first = readValue(reader);
  if (first.type !== TYPE.string || first.name !== undefined) {
    throw new CompiledPolicyError(`a profile without a name at byte ${first.at}`);
  }
  let attachment: string | undefined;
  let hasAttachmentAutomaton = false;
  let mode: ProfileMode | undefined;
  for (let value = readValue(reader); value.type !== TYPE.structEnd; value = readValue(reader)) {
    if (value.name === 'flags' && value.type === TYPE.struct) {
      mode = readMode(reader);
    } else if (value.name === 'attach' && value.type === TYPE.string) {
      attachment = value.text;
    } else if (value.name === 'aadfa' && mode === undefined) {
      hasAttachmentAutomaton = true;
    } else {
      skipRest(reader, value);
    }
  }
  if (mode === undefined) throw new CompiledPolicyError(`profile ${first.text} has no flags`);
  return {
    name: first.text,
    hasAttachmentAutomaton,
    mode: forcedComplain ? 'complain' : mode,
    ...(attachment === undefined ? {} : { attachment }),
  };
}

/** `flags` is a struct of three numbers: hat and debug bits, mode, audit. */
function readMode(reader: Reader): ProfileMode {
  const numbers: number[] = [];
  for (let value = readValue(reader); value.type !== TYPE.structEnd; value = readValue(reader)) {
    if (value.type !== TYPE.u32) throw new CompiledPolicyError(`unexpected ${describe(value)} at byte ${value.at}`);
    numbers.push(value.number);
  }
  const mode = MODES[numbers[1] ?? -1];
  if (mode === undefined) throw new CompiledPolicyError(`unknown profile mode ${numbers[1]}`);
  return mode;
}

/** Skips what a value opened. Nesting is counted, not recursed into: the input may be hostile. */
function skipRest(reader: Reader, opening: Value): void {
  if (!opens(opening.type)) {
    if (closes(opening.type)) throw new CompiledPolicyError(`unexpected ${describe(opening)} at byte ${opening.at}`);
    return;
  }
  const expected = [opening.type + 1];
  while (expected.length > 0) {
    const value = readValue(reader);
    if (opens(value.type)) expected.push(value.type + 1);
    else if (closes(value.type) && expected.pop() !== value.type) {
      throw new CompiledPolicyError(`unexpected ${describe(value)} at byte ${value.at}`);
    }
  }
}

function opens(type: number): boolean {
  return type === TYPE.struct || type === TYPE.list || type === TYPE.array;
}

function closes(type: number): boolean {
  return type === TYPE.structEnd || type === TYPE.listEnd || type === TYPE.arrayEnd;
}

function readValue(reader: Reader): Value {
  const at = reader.at;
  let type = takeType(reader);
  let name: string | undefined;
  if (type === TYPE.name) {
    name = takeText(reader);
    type = takeType(reader);
  }
  const value: Value = { type, at, number: 0, text: '', ...(name === undefined ? {} : { name }) };
  switch (type) {
    case TYPE.u8:
      value.number = reader.binary.readUInt8(pass(reader, 1));
      break;
    case TYPE.u16:
    case TYPE.array:
      value.number = reader.binary.readUInt16LE(pass(reader, 2));
      break;
    case TYPE.u32:
      value.number = reader.binary.readUInt32LE(pass(reader, 4));
      break;
    case TYPE.u64:
      pass(reader, 8);
      break;
    case TYPE.string:
      value.text = takeText(reader);
      break;
    case TYPE.blob:
      pass(reader, reader.binary.readUInt32LE(pass(reader, 4)));
      break;
    case TYPE.struct:
    case TYPE.structEnd:
    case TYPE.list:
    case TYPE.listEnd:
    case TYPE.arrayEnd:
      break;
    default:
      throw new CompiledPolicyError(`unknown type ${type} at byte ${at}`);
  }
  return value;
}

function takeType(reader: Reader): number {
  return reader.binary.readUInt8(pass(reader, 1));
}

/** A 16-bit length that counts the NUL at the end, then the bytes. */
function takeText(reader: Reader): string {
  const { binary, at } = reader;
  const length = binary.readUInt16LE(pass(reader, 2));
  const start = pass(reader, length);
  const last = start + length - 1;
  if (length === 0 || binary[last] !== 0) throw new CompiledPolicyError(`text without an end at byte ${at}`);
  return binary.toString('utf8', start, last);
}

/**
 * Goes on by so many bytes and returns where they begin. No view of them is made: there is a value for each state of an automaton, and with
 * a view for each this took a fifth of an agent's processor time.
 */
function pass(reader: Reader, length: number): number {
  const start = reader.at;
  if (start + length > reader.binary.length) throw new CompiledPolicyError(`cut short at byte ${start}`);
  reader.at = start + length;
  return start;
}

function describe(value: Value): string {
  return value.name === undefined ? `value of type ${value.type}` : `'${value.name}' of type ${value.type}`;
}
