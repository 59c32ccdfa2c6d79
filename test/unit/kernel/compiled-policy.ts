/** The binary form of a policy as apparmor_parser writes it, with no more in it than the kernel's names and modes. */
export function compiledPolicy(profiles: readonly { name: string; mode?: string }[], comment = ''): Buffer {
  const parts: Buffer[] = [];
  for (const { name, mode = 'enforce' } of profiles) {
    parts.push(named('version'), u32(5), named('profile'), byte(TYPE.struct), text(name));
    if (comment !== '') parts.push(named('rename'), text(comment));
    parts.push(named('flags'), byte(TYPE.struct), u32(0), u32(MODES.indexOf(mode)), u32(0), byte(TYPE.structEnd));
    parts.push(byte(TYPE.structEnd));
  }
  return Buffer.concat(parts);
}

const TYPE = { u32: 2, name: 4, string: 5, struct: 7, structEnd: 8 } as const;
const MODES = ['enforce', 'complain', 'kill', 'unconfined', 'user'];

function byte(value: number): Buffer {
  return Buffer.from([value]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(TYPE.u32);
  bytes.writeUInt32LE(value, 1);
  return bytes;
}

function sized(type: number, value: string): Buffer {
  const bytes = Buffer.from(`${value}\0`, 'utf8');
  const head = Buffer.alloc(3);
  head.writeUInt8(type);
  head.writeUInt16LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function named(value: string): Buffer {
  return sized(TYPE.name, value);
}

function text(value: string): Buffer {
  return sized(TYPE.string, value);
}
