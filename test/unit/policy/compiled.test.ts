import { expect } from 'chai';
import { CompiledPolicyError, readCompiledProfiles } from '../../../src/policy/compiled.ts';

/** Writes the format as apparmor_parser does, for forms that the installed one does not write. */
const write = {
  name: (text: string): Buffer => Buffer.concat([Buffer.from([4]), sized(text)]),
  string: (text: string): Buffer => Buffer.concat([Buffer.from([5]), sized(text)]),
  u8: (value: number): Buffer => Buffer.from([0, value]),
  u16: (value: number): Buffer => Buffer.from([1, value & 0xff, value >> 8]),
  u32: (value: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes[0] = 2;
    bytes.writeUInt32LE(value, 1);
    return bytes;
  },
  u64: (): Buffer => Buffer.concat([Buffer.from([3]), Buffer.alloc(8)]),
  blob: (bytes: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head[0] = 6;
    head.writeUInt32LE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  },
  struct: Buffer.from([7]),
  structEnd: Buffer.from([8]),
  list: Buffer.from([9]),
  listEnd: Buffer.from([10]),
  array: Buffer.from([11, 1, 0]),
  arrayEnd: Buffer.from([12]),
};

function sized(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
}

function version(number = 0x0720_2008 & ~(1 << 11)): Buffer {
  return Buffer.concat([write.name('version'), write.u32(number)]);
}

function flags(mode: number): Buffer {
  return Buffer.concat([
    write.name('flags'),
    write.struct,
    write.u32(0),
    write.u32(mode),
    write.u32(0),
    write.structEnd,
  ]);
}

function profile(name: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([write.name('profile'), write.struct, write.string(name), ...parts, write.structEnd]);
}

function readParts(...parts: readonly Buffer[]) {
  return readCompiledProfiles(Buffer.concat([version(), profile('a', ...parts)]));
}

const COMPLAIN_VERSION = 8 | (1 << 11);

describe('readCompiledProfiles', () => {
  it('finds nothing in nothing', () => {
    expect(readCompiledProfiles(Buffer.alloc(0))).to.deep.equal([]);
  });

  it('reads every profile of a stream, with names that look like other parts of the format', () => {
    const binary = Buffer.concat([version(), profile('a', flags(0)), version(), profile('profile', flags(1))]);
    expect(readCompiledProfiles(binary)).to.deep.equal([
      { name: 'a', mode: 'enforce', hasAttachmentAutomaton: false },
      { name: 'profile', mode: 'complain', hasAttachmentAutomaton: false },
    ]);
  });

  for (const [packed, mode] of ['enforce', 'complain', 'kill', 'unconfined', 'user'].entries()) {
    it(`reads the mode ${mode}`, () => {
      expect(readCompiledProfiles(Buffer.concat([version(), profile('a', flags(packed))]))[0]?.mode).to.equal(mode);
    });
  }

  it('lets forced complain win over the flags, for that profile alone', () => {
    const binary = Buffer.concat([
      version(COMPLAIN_VERSION),
      profile('a', flags(2)),
      version(),
      profile('b', flags(2)),
    ]);
    expect(readCompiledProfiles(binary).map(({ mode }) => mode)).to.deep.equal(['complain', 'kill']);
  });

  it('puts the policy namespace in front of the name', () => {
    const namespace = Buffer.concat([write.name('namespace'), write.string('ns')]);
    const binary = Buffer.concat([version(), namespace, profile('a', flags(0)), version(), profile('b', flags(0))]);
    expect(readCompiledProfiles(binary).map(({ name }) => name)).to.deep.equal([':ns:a', 'b']);
  });

  it('tells an attachment, as text or as automaton, from the rules', () => {
    const automaton = Buffer.concat([write.name('aadfa'), write.blob(Buffer.from('profile'))]);
    const attach = Buffer.concat([write.name('attach'), write.string('/usr/bin/*')]);
    expect(readParts(automaton, flags(0))[0]?.hasAttachmentAutomaton).to.equal(true);
    expect(readParts(flags(0), automaton)[0]?.hasAttachmentAutomaton).to.equal(false);
    expect(readParts(attach, flags(0))[0]?.attachment).to.equal('/usr/bin/*');
  });

  it('passes over every kind of value, nested ones too', () => {
    const nested = Buffer.concat([
      write.name('x'),
      write.struct,
      write.array,
      write.list,
      write.string('profile'),
      write.listEnd,
      write.arrayEnd,
      write.u8(1),
      write.u16(2),
      write.u64(),
      write.structEnd,
    ]);
    const binary = Buffer.concat([version(), profile('a', nested, write.u32(7), flags(0), nested)]);
    expect(readCompiledProfiles(binary).map(({ name }) => name)).to.deep.equal(['a']);
  });

  it('reads nesting of any depth', () => {
    const depth = 100_000;
    const nested = Buffer.concat([Buffer.alloc(depth, 7), Buffer.alloc(depth, 8)]);
    expect(readCompiledProfiles(Buffer.concat([version(), profile('a', nested, flags(0))]))).to.have.length(1);
  });

  it('refuses a stream that is cut short, wherever that is', () => {
    const first = Buffer.concat([version(), profile('a', flags(0), write.blob(Buffer.alloc(9)))]);
    const head = version().length;
    for (let length = 1; length < first.length; length += 1) {
      if (length === head) continue;
      expect(() => readCompiledProfiles(first.subarray(0, length)), `${length} bytes`).to.throw(CompiledPolicyError);
    }
  });

  const JUNK: readonly [title: string, bytes: Buffer, message: RegExp][] = [
    ['text', Buffer.from('profile a { }'), /unknown type|cut short/],
    ['a value that is no profile', Buffer.concat([version(), write.u32(1)]), /unexpected value of type 2/],
    ['an unknown name', Buffer.concat([write.name('other'), write.struct]), /unexpected 'other' of type 7/],
    ['a profile without name', Buffer.concat([write.name('profile'), write.struct, write.structEnd]), /without a name/],
    ['a profile without flags', profile('a'), /profile a has no flags/],
    ['an unknown mode', profile('a', flags(9)), /unknown profile mode 9/],
    [
      'no mode',
      profile('a', Buffer.concat([write.name('flags'), write.struct, write.structEnd])),
      /unknown profile mode/,
    ],
    [
      'text in the flags',
      profile('a', Buffer.concat([write.name('flags'), write.struct, write.string('x')])),
      /unexpected/,
    ],
    ['an end of something else', profile('a', write.struct, write.listEnd), /unexpected value of type 10/],
    ['an end of nothing', profile('a', write.arrayEnd, flags(0)), /unexpected value of type 12/],
    ['text without its end', Buffer.concat([Buffer.from([4, 1, 0]), Buffer.from('x')]), /text without an end/],
  ];
  for (const [title, bytes, message] of JUNK) {
    it(`refuses ${title}`, () => {
      expect(() => readCompiledProfiles(bytes)).to.throw(CompiledPolicyError, message);
    });
  }
});
