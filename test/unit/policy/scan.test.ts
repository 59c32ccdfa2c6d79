import { expect } from 'chai';
import { scanPolicy } from '../../../src/policy/scan.ts';
import { READABLE, UNREADABLE } from './policy-texts.ts';

function names(text: string): readonly string[] {
  return scanPolicy(text).profiles.map(({ name }) => name);
}

function problem(text: string): string | undefined {
  const { problems } = scanPolicy(text);
  expect(problems.length).to.be.at.most(1);
  const first = problems[0];
  return first && `${first.position.line}:${first.position.column} ${first.message}`;
}

describe('scanPolicy', () => {
  describe('reads', () => {
    for (const [title, text, expected] of READABLE) {
      it(title, () => {
        expect(problem(text)).to.equal(undefined);
        expect(names(text)).to.deep.equal(expected);
      });
    }
  });

  describe('does not pretend to read', () => {
    for (const [title, text, expected] of UNREADABLE) {
      it(title, () => {
        expect(problem(text)).to.equal(expected);
      });
    }
  });

  it('tells what stands in the header, and where', () => {
    const text =
      '# x\n  profile "a b" /usr/bin/{x,y}\n    flags=(attach_disconnected,\n      complain) {\n    audit deny /x w,\n    deny /y w,\n    ^H flags=(audit) { }\n}\n';
    expect(scanPolicy(text).profiles).to.deep.equal([
      {
        name: 'a b',
        kind: 'profile',
        attachment: '/usr/bin/{x,y}',
        flags: ['attach_disconnected', 'complain'],
        position: { line: 2, column: 11 },
        firstDeny: { line: 5, column: 11 },
        signalRules: [],
      },
      {
        name: 'a b//H',
        parent: 'a b',
        kind: 'hat',
        flags: ['audit'],
        position: { line: 7, column: 6 },
        signalRules: [],
      },
    ]);
  });

  it('takes a variable as attachment as it is written', () => {
    const text = 'profile a @{exec} { }\nprofile b @{exec}/c { }';
    expect(scanPolicy(text).profiles.map(({ attachment }) => attachment)).to.deep.equal(['@{exec}', '@{exec}/c']);
  });

  it('tells variables without braces from words that begin with one', () => {
    const text = '@x = /q\n@xy += z\nprofile a @xy=z { @x r, @x, b r, @xy/c r, @x,c r, }';
    expect(problem(text)).to.equal(undefined);
    expect(scanPolicy(text).profiles[0]?.attachment).to.equal('@xy=z');
  });

  it('counts a deny inside a block for its profile', () => {
    expect(scanPolicy('profile a { audit deny { /x w, } }').profiles[0]?.firstDeny).to.deep.equal({
      line: 1,
      column: 19,
    });
  });

  for (const text of ['', '\n', '# profile a { }\n#profile b {}', 'alias /a -> /b,']) {
    it(`finds nothing in ${JSON.stringify(text)}`, () => {
      expect(scanPolicy(text)).to.deep.equal({ profiles: [], includes: [], abis: [], variables: [], problems: [] });
    });
  }

  it('finds the variables, each time that they get values', () => {
    const text =
      '@{A} = profile b { }\n  @A += c \\\n d # @{B} = e\n$X = true\n${Y}=false\nprofile a { $Z = true\n @{C} = d\n}';
    expect(problem(text)).to.equal(undefined);
    expect(scanPolicy(text).variables).to.deep.equal([
      { name: 'A', kind: 'set', operator: '=', position: { line: 1, column: 1 } },
      { name: 'A', kind: 'set', operator: '+=', position: { line: 2, column: 3 } },
      { name: 'X', kind: 'boolean', operator: '=', position: { line: 4, column: 1 } },
      { name: 'Y', kind: 'boolean', operator: '=', position: { line: 5, column: 1 } },
      { name: 'Z', kind: 'boolean', operator: '=', position: { line: 6, column: 13 } },
      { name: 'C', kind: 'set', operator: '=', position: { line: 7, column: 2 } },
    ]);
    expect(names(text)).to.deep.equal(['a']);
  });

  const FILE_RULES: readonly [rule: string, column: number | undefined][] = [
    ['file,', 13],
    ['/x r,', 13],
    ['"/x y" r,', 13],
    ['@{X}/y r,', 13],
    ['@{X} r,', 13],
    ['rw /x,', 13],
    ['rix @{X},', 13],
    ['audit owner /x px -> b,', 13],
    ['priority=3 file r /x,', 24],
    ['network, file,', 22],
    ['allow { /x r, }', 21],
    ['if $X { /x r, } else { /y r, }', 21],
    ['deny /x r,', undefined],
    ['audit deny { /x r, owner /y r, }', undefined],
    ['deny { allow /x r, }', undefined],
    [
      'network, capability, mount /a -> /b, umount /c, unix, userns, link subset /a -> /b, change_profile /a,',
      undefined,
    ],
    ['signal set=kill,', undefined],
    ['^h { file, }', undefined],
  ];
  for (const [rule, column] of FILE_RULES) {
    it(`${column === undefined ? 'finds no rule' : 'finds the first rule'} that allows files in ${rule}`, () => {
      const text = `profile a { ${rule} }`;
      expect(problem(text)).to.equal(undefined);
      expect(scanPolicy(text).profiles[0]?.firstFileRule?.column).to.equal(column);
    });
  }

  it('finds the rule that allows everything, unless it denies', () => {
    expect(scanPolicy('profile a { audit allow all, }').profiles[0]?.allowsAll).to.deep.equal({ line: 1, column: 13 });
    expect(scanPolicy('profile a { deny all, }').profiles[0]).not.to.have.property('allowsAll');
  });

  const SIGNAL_RULES: readonly [rule: string, found: object][] = [
    ['signal,', { denied: false, receives: true }],
    ['audit signal (),', { denied: false, receives: true }],
    ['deny signal receive,', { denied: true, receives: true }],
    ['deny { signal, }', { denied: true, receives: true }],
    ['signal send,', { denied: false, receives: false }],
    ['signal (send, receive) peer=a,', { denied: false, receives: true, peer: 'a' }],
    ['signal w,', { denied: false, receives: false }],
    ['signal (wr),', { denied: false, receives: true }],
    ['signal read peer="a b",', { denied: false, receives: true, peer: 'a b' }],
    [
      'signal set=(kill, "term") peer=@{profile_name},',
      { denied: false, receives: true, signals: ['kill', 'term'], peer: '@{profile_name}' },
    ],
    ['signal receive set=kill set=hup,', { denied: false, receives: true, signals: ['hup'] }],
  ];
  for (const [rule, found] of SIGNAL_RULES) {
    it(`reads ${rule}`, () => {
      const text = `profile a { ${rule} }`;
      expect(problem(text)).to.equal(undefined);
      expect(scanPolicy(text).profiles[0]?.signalRules).to.deep.equal([
        { position: { line: 1, column: Math.max(text.indexOf('{ signal') + 3, 13) }, ...found },
      ]);
    });
  }

  it('reads a list of values in a condition, and an escaped quote that nothing else ends', () => {
    expect(problem('profile a { unix peer=(label=(a "b c") addr=x), }')).to.equal(undefined);
    expect(names('profile "a\\" { }')).to.deep.equal(['a\\']);
  });

  it('keeps what it read before a problem', () => {
    expect(names('profile a { file, }\nprofile b {')).to.deep.equal(['a', 'b']);
  });

  const INCLUDES: readonly [text: string, path: string, form: string, ifExists: boolean][] = [
    ['include <tunables/global>\n', 'tunables/global', 'magic', false],
    ['#include <tunables/global>', 'tunables/global', 'magic', false],
    ['  #include  "a b"', 'a b', 'quoted', false],
    ['include a/b\n', 'a/b', 'bare', false],
    ['include if exists <local/x>\n', 'local/x', 'magic', true],
    ['#include if exists "x"\n', 'x', 'quoted', true],
    ['include  if\texists  x\n', 'x', 'bare', true],
    ['include if existsx\n', 'if', 'bare', false],
    ['include <"a b">\n', 'a b', 'magic', false],
    ['include < a b >\n', 'a b', 'magic', false],
    ['include\t\n <a>\n', 'a', 'magic', false],
    ['#includes are read by the parser too', 's', 'bare', false],
  ];
  for (const [text, path, form, ifExists] of INCLUDES) {
    it(`finds the include of ${JSON.stringify(text)}`, () => {
      const position = { line: 1, column: text.search(/\S/) + 1 };
      expect(scanPolicy(text).includes[0]).to.deep.equal({ path, form, ifExists, position });
    });
  }

  it('finds includes inside profiles, and none in other words', () => {
    const text =
      'profile a {\n  #include <x>\n  include if exists <y>\n  # include <z>\n  capability include,\n /q r, # include <z>\n}';
    expect(scanPolicy(text).includes.map(({ path }) => path)).to.deep.equal(['x', 'y']);
    expect(scanPolicy(text).problems).to.deep.equal([]);
  });

  it('says in which profile an include stands', () => {
    const text = 'include <x>\nprofile a { include <y>\n if $A { include <z>\n} ^b { include <v>\n} }\ninclude <w>';
    expect(scanPolicy(text).includes.map(({ profile }) => profile)).to.deep.equal([
      undefined,
      'a',
      'a',
      'a//b',
      undefined,
    ]);
  });

  it('finds the files of abi rules, also inside profiles', () => {
    const text = 'abi <abi/4.0>,\nprofile a {\n  abi "/x",\n  abi y,\n}';
    expect(scanPolicy(text).abis).to.deep.equal([
      { path: 'abi/4.0', form: 'magic', position: { line: 1, column: 5 } },
      { path: '/x', form: 'quoted', profile: 'a', position: { line: 3, column: 7 } },
      { path: 'y', form: 'bare', profile: 'a', position: { line: 4, column: 7 } },
    ]);
  });
});
