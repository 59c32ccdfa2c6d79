import { expect } from 'chai';
import { MOST_TEXT_BYTES, reviewPolicy, RULES, type ReviewInput } from '../../../src/policy/rules.ts';

interface Outcome {
  /** `rule line:column` of each finding. */
  findings: readonly string[];
}

function review(text: string, options: Partial<ReviewInput> = {}): Outcome & ReturnType<typeof reviewPolicy> {
  const found = reviewPolicy({ allowHostAttachment: false, ...options, text });
  return {
    ...found,
    findings: found.findings.map(({ rule, position }) =>
      position === undefined ? rule : `${rule} ${position.line}:${position.column}`,
    ) as never,
  };
}

function profileNamed(name: string): string {
  return `profile "${name}" { file, }`;
}

type Case = [title: string, text: string, findings: readonly string[], options?: Partial<ReviewInput>];

const LONG = 'x'.repeat(244);

const CASES: Readonly<Record<string, readonly Case[]>> = {
  'text-too-large': [
    ['a text of the most bytes', `profile a { }\n#${' '.repeat(MOST_TEXT_BYTES - 15)}`, []],
    ['one byte more', `profile a { }\n#${' '.repeat(MOST_TEXT_BYTES - 14)}`, ['text-too-large']],
    ['bytes, not characters', `profile a { }\n#${'é'.repeat(MOST_TEXT_BYTES / 2)}`, ['text-too-large']],
  ],
  'text-encoding': [
    ['letters of any language', profileNamed('приложение-アプリ-😀'), []],
    ['NUL in a comment', 'profile a { }\n# \0', ['text-encoding 2:3']],
    ['half a character', 'profile a { }\n# \ud83d', ['text-encoding 2:3']],
    ['NUL in quotes', 'profile "a\0" { }', ['text-encoding 1:11', 'unreadable 1:9']],
  ],
  unreadable: [
    ['a missing comma', 'profile a {\n  file\n}', ['unreadable 2:3']],
    ['a text that is something else', '{"kind": "AppArmorProfile"}', ['unreadable 1:1']],
  ],
  'no-profile': [
    ['nothing', '', ['no-profile']],
    ['comments', '# profile a { }', ['no-profile']],
    ['includes alone', 'include <tunables/global>', ['no-profile']],
  ],
  'duplicate-profile': [
    ['one name in two parents', 'profile a { ^c { } }\nprofile b { ^c { } }', []],
    ['two of a name', 'profile a { }\nprofile b { }\nprofile a { }', ['duplicate-profile 3:9']],
    ['two children of a name', 'profile a {\n  ^b { }\n  profile b { }\n}', ['duplicate-profile 3:11']],
    [
      'three of a name',
      'profile a { }\nprofile a { }\nprofile a { }',
      ['duplicate-profile 2:9', 'duplicate-profile 3:9'],
    ],
  ],
  'reserved-name': [
    [
      'names that only resemble them',
      'profile my-docker-default { }\nprofile snapshot { }\nprofile crio-defaults { }',
      [],
    ],
    ['a child of such a name', 'profile a { profile docker-default { } ^unconfined { } }', []],
    ['a child that looks like a learning profile', 'profile a { ^null-1 { } }', ['reserved-name 1:14']],
    ...[
      'unconfined',
      'docker-default',
      'cri-containerd.apparmor.d',
      'crio-default',
      'containers-default-0.57.4',
      'nerdctl-default',
      'buildkit-default',
      'kubearmor-default-nginx',
      'varmor-agent',
      'snap.lxd.daemon',
      'lxd-c1_</var/lib/lxd>',
      'lxc-container-default',
      'incus-c1',
      'libvirt-8b5e',
      'runc',
      'null-1',
    ].map((name): Case => [name, profileNamed(name), ['reserved-name 1:9']]),
  ],
  'hostile-name': [
    ['the longest name', profileNamed(LONG), []],
    ['blanks inside', profileNamed('my app'), []],
    ['dots', 'profile a..b { }\nprofile .hidden { }\nprofile registry.k8s.io.nginx { }', []],
    ['brackets that are no mode', profileNamed('a(b)'), []],
    ...[
      ['empty', ''],
      ['one character too long', `${LONG}x`],
      ['too long in bytes', 'é'.repeat(127)],
      ['a line end', 'a\nb'],
      ['a tab', 'a\tb'],
      ['an escape sequence', 'a\u{1b}[31m'],
      ['text from right to left', 'a\u{202e}b'],
      ['a blank of no width', 'a\u{200b}b'],
      ['a blank that is not one', 'a\u{a0}b'],
      ['a line separator', 'a\u{2028}b'],
      ['a blank in front', ' a'],
      ['a blank behind', 'a '],
      ['an escape', 'a\\nb'],
      ['an option', '-rf'],
      ['a namespace', ':ns:a'],
      ['a namespace with slashes', ':ns://a'],
      ['a stack', 'a//&b'],
      ['a stack upon itself', '&a'],
      ['a step up', 'a/../b'],
      ['two dots', '..'],
      ['one dot', '.'],
      ['a mode', 'docker-default (enforce)'],
    ].map(([title, name]): Case => [title ?? '', profileNamed(name ?? ''), ['hostile-name 1:9']]),
    ['a child', 'profile a { ^-b { } }', ['hostile-name 1:14']],
    ['a quotation mark', 'profile "a\\"b" { }', ['hostile-name 1:9']],
    ['a quotation mark without backslash', 'profile a\\"b { }', ['hostile-name 1:9']],
  ],
  'variable-name': [
    ['a variable in the attachment', 'profile a @{x} { }', [], { allowHostAttachment: true }],
    ['a name with a variable', 'profile a-@{x} { }', ['variable-name 1:9']],
    ['a child with a variable', 'profile a { ^@{x} { } }', ['variable-name 1:14']],
  ],
  'child-separator': [
    ['a path', 'profile /usr/bin/a { }', [], { allowHostAttachment: true }],
    ['a child that is a path', 'profile a { profile /b { } }', []],
    ['a top-level name with it', 'profile a//b { }', ['child-separator 1:9']],
    ['a slash at the end', 'profile a/ { }', ['child-separator 1:9']],
  ],
  'host-attachment': [
    ['a plain name', 'profile a { }', []],
    ['a name with a slash inside', 'profile a/b { }', []],
    ['a pattern that cannot match a path', 'profile a{b,/c}* { }', []],
    ['an attachment of a child', 'profile a { profile b /c { } }', []],
    ['an attachment', 'profile a /b { }', ['host-attachment 1:9']],
    ['an attachment by a variable', 'profile a @{b} { }', ['host-attachment 1:9']],
    ['a path', '/a { }', ['host-attachment 1:1']],
    ['a path behind the keyword', 'profile /a { }', ['host-attachment 1:9']],
    ['a quoted path', 'profile "/a b" { }', ['host-attachment 1:9']],
    ['a pattern that can match a path', 'profile {a,/b} { }', ['host-attachment 1:9']],
    ['a star in front', 'profile */bin/a { }', ['host-attachment 1:9']],
    ['a class in front', 'profile [/]a { }', ['host-attachment 1:9']],
    ['all of them, if it is allowed', '/a { }\nprofile b /c { }', [], { allowHostAttachment: true }],
  ],
  'include-path': [
    [
      'ordinary includes',
      'include <tunables/global>\n#include if exists <local/x>\nprofile a { include <abstractions/base>\n}',
      [],
    ],
    ['dots in a file name', 'include <a/..b/c..>\nprofile a { }', []],
    ['a folder', 'include <tunables/global.d>\nprofile a { }', []],
    ['an absolute path', 'profile a { include "/etc/passwd"\n}', ['include-path 1:13']],
    ['an absolute path in brackets', 'include </etc/passwd>\nprofile a { }', ['include-path 1:1']],
    ['a climbing path', '#include <../../etc/passwd>\nprofile a { }', ['include-path 1:1']],
    ['a climbing path that comes back', 'include <a/../../x>\nprofile a { }', ['include-path 1:1']],
    ['a quoted climbing path', 'include if exists "../x"\nprofile a { }', ['include-path 1:1', 'relative-include 1:1']],
    ['an unquoted climbing path', 'include ../x\nprofile a { }', ['include-path 1:1', 'relative-include 1:1']],
    ['a path that climbs inside', 'include <abstractions/../../x>\nprofile a { }', ['include-path 1:1']],
    ['a path that climbs by many slashes', 'include <abstractions//..//..//x>\nprofile a { }', ['include-path 1:1']],
    ['a path that climbs behind blanks', 'include <  ../x  >\nprofile a { }', ['include-path 1:1']],
    ['a quoted path in brackets', 'include <"../x">\nprofile a { }', ['include-path 1:1']],
    ['a variable, which the parser takes as it is written', 'include <@{x}/../y>\nprofile a { }', ['include-path 1:1']],
    ['an escaped path', 'include "\\057etc/passwd"\nprofile a { }', ['include-path 1:1', 'relative-include 1:1']],
    ['the folder itself', 'include <.>\nprofile a { }', ['include-path 1:1']],
    ['a control character', 'include <a\u{7}>\nprofile a { }', ['include-path 1:1']],
    ['an abi out of the tree', 'abi <../x>,\nprofile a { }', ['include-path 1:5']],
  ],
  'mode-contradiction': [
    ['complain without a wanted mode', 'profile a flags=(complain) { }', []],
    ['complain as wanted', 'profile a flags=(complain) { }', [], { mode: 'Complain' }],
    ['kill', 'profile a flags=(kill) { }', [], { mode: 'Enforce' }],
    ['complain', 'profile a flags=(audit,complain) { }', ['mode-contradiction 1:9'], { mode: 'Enforce' }],
    ['unconfined', 'profile a flags=(unconfined) { }', ['mode-contradiction 1:9'], { mode: 'Enforce' }],
    ['default_allow', 'profile a flags=(default_allow) { }', ['mode-contradiction 1:9'], { mode: 'Enforce' }],
    [
      'a child in complain mode',
      'profile a {\n ^b flags=(complain) { }\n}',
      ['mode-contradiction 2:3'],
      { mode: 'Enforce' },
    ],
  ],
  'unrendered-template': [
    ['nested alternations', 'profile a { /{{,usr/}bin,sbin}/** r, /x{{-,_}y,} r, /{{a,b},c} r, }', []],
    ['a comment', 'profile a { }\n  # {{ x }}', []],
    ['Helm', 'profile a { /{{ .Values.path }}/x r, }', ['unreadable 1:17', 'unrendered-template 1:14']],
    ['Helm without blanks', 'profile a { /{{.Values.path}}/x r, }', ['unrendered-template 1:14']],
    ['a word', 'profile a { /{{name}}/x r, }', ['unrendered-template 1:14']],
    ['Jinja', 'profile a { {% if x %} file, }', ['unreadable 1:14', 'unrendered-template 1:13']],
  ],
  'no-abi': [
    ['an abi', 'abi <abi/4.0>,\nprofile a { }', []],
    ['an abi behind an include', 'include <tunables/global>\nabi <abi/3.0>,\nprofile a { }', []],
    ['no abi', 'profile a { }', ['no-abi']],
    ['an abi that does not count, inside a profile', 'profile a { abi <abi/4.0>,\n}', ['no-abi']],
    ['an abi in a comment', '# abi <abi/4.0>,\nprofile a { }', ['no-abi']],
    ['nothing', '', ['no-profile']],
  ],
  'relative-include': [
    ['brackets', 'include <local/x>\nprofile a { }', []],
    ['an absolute path, which is refused', 'include "/x"\nprofile a { }', ['include-path 1:1']],
    ['quotes', 'profile a {\n include if exists "local/x"\n}', ['relative-include 2:2']],
    ['no quotes', 'profile a {\n #include local/x\n}', ['relative-include 2:2']],
    ['an abi in quotes', 'abi "abi/4.0",\nprofile a { }', ['relative-include 1:5']],
  ],
  'no-file-rule': [
    ['all files', 'profile a { file, }', []],
    ['a path', 'profile a { /x r, }', []],
    ['everything', 'profile a { allow all, }', []],
    ['files of an abstraction', 'profile a { include <abstractions/base>\n}', []],
    ['complain mode, which refuses nothing', 'profile a flags=(complain) { }', []],
    ['wanted complain mode', 'profile a { }', [], { mode: 'Complain' }],
    ['unconfined mode', 'profile a flags=(unconfined) { }', []],
    ['a child, which a pod is not given', 'profile a { file, ^b { } }', []],
    ['a text that breaks off', 'profile a {', ['unreadable 1:11']],
    ['no rule', 'profile a { network, }', ['no-file-rule 1:9']],
    ['no rule in kill mode', 'profile a flags=(kill) { }', ['no-file-rule 1:9']],
    ['denied files', 'profile a { deny /x rw, }', ['no-file-rule 1:9']],
    ['files of a child', 'profile a { ^b { file, } }', ['no-file-rule 1:9']],
    ['an abstraction without files', 'profile a { include <abstractions/mozc>\n}', ['no-file-rule 1:9']],
    ['an include of a file that is not there', 'profile a { include if exists <local/x>\n}', ['no-file-rule 1:9']],
    [
      'an abstraction of another profile',
      'profile a { include <abstractions/base>\n}\nprofile b { }',
      ['no-file-rule 3:9'],
    ],
  ],
  'no-signal-rule': [
    ['every signal', 'profile a { signal, }', []],
    ['every signal received', 'profile a { signal (receive), }', []],
    ['all runtimes', 'profile a { signal (receive) peer={unconfined,runc,crun}, }', []],
    [
      'all runtimes, one by one',
      'profile a { signal receive peer=unconfined, signal peer=runc, signal r peer=crun, }',
      [],
    ],
    [
      'what abstractions/base does not bring',
      'profile a { include <abstractions/base>\n signal receive peer=r*, }',
      ['no-signal-rule 1:9'],
    ],
    [
      'what abstractions/base does not bring, whole',
      'profile a { include <abstractions/base>\n signal receive peer={runc,crun}, }',
      [],
    ],
    ['kill among others', 'profile a { signal receive set=(term kill), }', []],
    ['a variable', 'profile a { signal receive peer=@{runtimes}, }', []],
    ['everything allowed', 'profile a { all, }', []],
    ['complain mode', 'profile a flags=(complain) { file, }', []],
    ['a denied runtime that nobody has', 'profile a { signal, deny signal peer=x, }', []],
    ['no signal rule', 'profile a { file, }', ['no-signal-rule 1:9']],
    ['a sending rule', 'profile a { signal send, }', ['no-signal-rule 1:9']],
    ['kill missing', 'profile a { signal receive set=(term), }', ['no-signal-rule 1:9']],
    ['itself', 'profile a { signal peer=@{profile_name}, }', ['no-signal-rule 1:9']],
    ['abstractions/base alone', 'profile a { include <abstractions/base>\n}', ['no-signal-rule 1:9']],
    ['a denied one', 'profile a { signal, deny signal receive peer=runc, }', ['no-signal-rule 1:9']],
    ['a rule of a child', 'profile a { ^b { signal, } }', ['no-signal-rule 1:9']],
  ],
  'deny-in-complain': [
    ['deny in enforce mode', 'profile a { deny /x w, }', []],
    ['complain without deny', 'profile a flags=(complain) { file, }', []],
    ['deny in complain mode', 'profile a flags=(complain) {\n  audit deny /x w,\n}', ['deny-in-complain 2:9']],
    [
      'deny in the wanted complain mode',
      'profile a {\n  deny /x w,\n}',
      ['deny-in-complain 2:3'],
      { mode: 'Complain' },
    ],
    [
      'deny of an abstraction in complain mode',
      'profile a flags=(complain) {\n  include <abstractions/private-files>\n}',
      ['deny-in-complain 2:3'],
    ],
    [
      'an abstraction without deny in complain mode',
      'profile a flags=(complain) {\n  include <abstractions/base>\n}',
      [],
    ],
    ['deny in a child in complain mode', 'profile a { ^b flags=(complain) { deny /x w, } }', ['deny-in-complain 1:35']],
  ],
};

/** Warnings that the short texts of other rules are not about. */
const ON_ALMOST_EVERY_TEXT: ReadonlySet<string> = new Set(['no-abi', 'no-file-rule', 'no-signal-rule']);

describe('reviewPolicy', () => {
  for (const rule of RULES) {
    describe(rule.id, () => {
      const cases = CASES[rule.id] ?? [];
      it('has cases that it finds', () => {
        expect(cases.some(([, , findings]) => findings.some((finding) => finding.startsWith(rule.id)))).to.equal(true);
      });
      for (const [title, text, findings, options] of cases) {
        it(`${findings.length === 0 ? 'passes' : 'finds'} ${title}`, () => {
          const found = review(text, options).findings.filter((finding) => {
            const [id = ''] = finding.split(' ');
            return id === rule.id || !ON_ALMOST_EVERY_TEXT.has(id);
          });
          expect(found).to.have.members([...findings]);
        });
      }
    });
  }

  it('gives every finding its severity, a message on one line and what to do next', () => {
    for (const [title, text, , options] of Object.values(CASES).flat()) {
      for (const finding of reviewPolicy({ allowHostAttachment: false, ...options, text }).findings) {
        expect(finding.severity).to.equal(RULES.find(({ id }) => id === finding.rule)?.severity);
        expect(finding.message, title).to.match(/^[^\p{C}]{10,400}$/u);
        expect(finding.remedy, title).to.match(/^[^\p{C}]{10,200}$/u);
      }
    }
  });

  it('names the rules once, each with its reason', () => {
    expect(new Set(RULES.map(({ id }) => id)).size).to.equal(RULES.length);
    for (const { id, reason } of RULES) {
      expect(id).to.match(/^[a-z]+(-[a-z]+)*$/);
      expect(reason).to.match(/\.$/);
    }
  });

  it('lists top-level profiles in order, and all of them with the mode that the kernel will show', () => {
    const text = [
      'profile a flags=(complain) { ^hat { } }',
      'profile b flags=(kill) { profile c flags=(unconfined) { } }',
      'profile d flags=(default_allow) { }',
      'profile e flags=(prompt) { }',
      'profile f { }',
    ].join('\n');
    const { profiles, allProfiles } = review(text);
    expect(profiles).to.deep.equal(['a', 'b', 'd', 'e', 'f']);
    expect(allProfiles).to.deep.equal([
      { name: 'a', mode: 'complain' },
      { name: 'a//hat', mode: 'enforce' },
      { name: 'b', mode: 'kill' },
      { name: 'b//c', mode: 'unconfined' },
      { name: 'd', mode: 'unconfined' },
      { name: 'e', mode: 'user' },
      { name: 'f', mode: 'enforce' },
    ]);
    expect(new Set(review(text, { mode: 'Complain' }).allProfiles.map(({ mode }) => mode))).to.deep.equal(
      new Set(['complain']),
    );
  });

  it('names the profile that a finding is about', () => {
    const { findings } = reviewPolicy({ text: 'profile a { ^-b { } }', allowHostAttachment: false });
    expect(findings[0]).to.include({ rule: 'hostile-name', profile: 'a//-b', severity: 'error' });
  });

  it('names the runtimes that cannot signal', () => {
    const [none, two] = ['', 'signal receive peer=unconfined, signal receive peer=runc,'].flatMap((rules) => {
      const { findings } = reviewPolicy({ text: `profile a { ${rules} }`, allowHostAttachment: false });
      const found = findings.find(({ rule }) => rule === 'no-signal-rule');
      return [`${found?.message} ${found?.remedy}`];
    });
    expect(none).to.contain('unconfined or runc or crun').and.contain('peer={unconfined,runc,crun},');
    expect(two).to.contain('runs as crun:').and.contain("peer=crun,'");
  });

  it('stops at the twentieth finding of a rule, and keeps endless names out of them', () => {
    const { findings } = reviewPolicy({
      text: 'profile docker-default { }\n'.repeat(5000),
      allowHostAttachment: false,
    });
    expect(new Set(findings.map(({ rule }) => rule)).size).to.equal(5);
    expect(findings).to.have.length(81);
    const long = reviewPolicy({ text: `profile ${'x'.repeat(500_000)} { }`, allowHostAttachment: false });
    expect(JSON.stringify(long.findings).length).to.be.below(2000);
  });
});
