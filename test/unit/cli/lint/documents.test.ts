import { expect } from 'chai';
import { MOST_DOCUMENT_CHARACTERS, readDocuments } from '../../../../src/cli/lint/documents.ts';
import { inputKind } from '../../../../src/cli/lint/input-kind.ts';
import { INPUT_OUTCOMES } from '../../../inputs/outcomes.ts';
import { readInput } from '../../policy/read-input.ts';

const API = 'apiVersion: apparmor-operator.dev/v1alpha1';

function profile(name: string): string {
  return `${API}\nkind: AppArmorProfile\nmetadata: {name: ${name}}\nspec:\n  policy: |\n    profile ${name} { file, }\n`;
}

function list(kind: string, items: string): string {
  return `apiVersion: v1\nkind: ${kind}\nitems: [${items}]\n`;
}

function firstMessage(file: string, text: string): string | undefined {
  return readDocuments(file, text).problems[0]?.message;
}

function names(text: string, file = 'a.yaml'): unknown[] {
  return readDocuments(file, text).inputs.map(({ value }) => (value as { metadata: { name: string } }).metadata.name);
}

describe('what a file holds', () => {
  const objects: [string, string][] = [
    ['anything.yaml', 'a: b'],
    ['anything.YML', 'profile x { file, }'],
    ['anything.json', ''],
    ['-', 'apiVersion: v1\nkind: X\n'],
    ['-', '# from a chart\n---\nkind: X\n'],
    ['-', '\uFEFFapiVersion: v1\n'],
    ['-', '{"apiVersion":"v1"}'],
    ['-', '  [1]'],
    ['-', '"kind": X\n'],
  ];
  for (const [name, text] of objects) {
    it(`objects: ${name} ${JSON.stringify(text)}`, () => expect(inputKind(name, text)).to.equal('objects'));
  }

  const policies = [
    'profile x { file, }',
    '# kind: of policy\nprofile x {',
    '#include <tunables/global>\nprofil x',
    'include "a"',
    'abi <abi/4.0>,',
    '@{X}=/a\n',
    '$X = true\n',
    '/usr/bin/a {',
    '"/a b" {',
    ':ns:x {',
    'nginx { file, }',
    'profil x {\n file,\n}',
    '# a comment alone',
  ];
  for (const text of policies) {
    it(`a policy: ${JSON.stringify(text)}`, () => expect(inputKind('-', text)).to.equal('policy'));
  }

  const neither = [
    '',
    ' \n',
    'hello',
    '#!/bin/sh\necho\n',
    '# Title\n\nSome words: more\n',
    'a,b\n1,2\n',
    'profiles are good',
  ];
  for (const text of neither) {
    it(`neither: ${JSON.stringify(text)}`, () => expect(inputKind('README', text)).to.equal('neither'));
  }

  it('a policy: every text of test/inputs/policies, however broken', () => {
    for (const { input } of INPUT_OUTCOMES) expect(inputKind(input, readInput(input)), input).to.equal('policy');
  });

  it('is found out in a moment, whatever the text', () => {
    const hostile = ['\n', ' ', '#', '{ ', '{', '"', 'network ', '---\n', 'a '];
    const start = performance.now();
    for (const unit of hostile) inputKind('-', unit.repeat(2 ** 20));
    expect(performance.now() - start).to.be.lessThan(5000);
  });
});

describe('readDocuments', () => {
  it('finds AppArmorProfiles in several documents, in order, and counts other objects', () => {
    const text = `# chart\n---\n${profile('a')}---\napiVersion: v1\nkind: ConfigMap\n---\n# nothing\n--- # more\n${profile('b')}`;
    const { inputs, ignored, problems } = readDocuments('a.yaml', text);
    expect(names(text)).to.deep.equal(['a', 'b']);
    expect({ ignored, problems }).to.deep.equal({ ignored: 1, problems: [] });
    expect(inputs[1]?.fieldPosition(['spec', 'policy'])).to.deep.equal({ line: 19, column: 3 });
    expect(inputs[1]?.textPosition(['spec', 'policy'], { line: 1, column: 9 })).to.deep.equal({ line: 20, column: 13 });
  });

  it('expands lists, typed ones with items that have no kind, and lists in lists', () => {
    const item = `{${API}, kind: AppArmorProfile, metadata: {name: NAME}, spec: {policy: x}}`;
    const config = '{apiVersion: v1, kind: ConfigMap}';
    const mixed = list('List', `${item.replace('NAME', 'a')}, ${config}, ${item.replace('NAME', 'b')}, 1`);
    expect(names(mixed)).to.deep.equal(['a', 'b']);
    expect(readDocuments('a.yaml', mixed).ignored).to.equal(2);
    const typed = `${API}\nkind: AppArmorProfileList\nitems: [{metadata: {name: c}, spec: {policy: x}}]\n`;
    expect(names(typed)).to.deep.equal(['c']);
    expect(readDocuments('a.yaml', typed).inputs[0]?.value).to.include({ kind: 'AppArmorProfile' });
    const nested = `{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: [${item}]}]}`;
    expect(names(nested)).to.deep.equal(['NAME']);
  });

  it('reads JSON, with tabs and with positions', () => {
    const text =
      '{\n\t"apiVersion": "apparmor-operator.dev/v1alpha1",\n\t"kind": "AppArmorProfile",\n\t"metadata": {"name": "a"},\n\t"spec": {"policy": "profile a {\\n\\tfoo\\n}\\n"}\n}\n';
    for (const file of ['a.json', '-']) {
      expect(names(text, file)).to.deep.equal(['a']);
      const [input] = readDocuments(file, text).inputs;
      expect(input?.textPosition(['spec', 'policy'], { line: 2, column: 2 })).to.deep.equal({ line: 5, column: 37 });
    }
  });

  it('leaves kinds of the same name to their own operators, and takes one without a group for ours', () => {
    const other = profile('a').replace(API, 'apiVersion: security-profiles-operator.x-k8s.io/v1alpha1');
    expect(readDocuments('a.yaml', other)).to.deep.equal({ inputs: [], ignored: 1, problems: [] });
    expect(names(profile('a').replace(`${API}\n`, ''))).to.deep.equal(['a']);
  });

  it('reads YAML as kubectl does', () => {
    const text = `${profile('a')}  allowHostAttachment: yes\n  nodeSelector: {since: 2024-01-01}\n`;
    const value = readDocuments('a.yaml', text).inputs[0]?.value as { spec: object };
    expect(value.spec).to.deep.include({ allowHostAttachment: true, nodeSelector: { since: '2024-01-01' } });
  });

  const unreadable: [string, string, RegExp][] = [
    ['a syntax error', `${API}\nkind: AppArmorProfile\nspec: {\n`, /^no YAML: .*flow/i],
    ['a key given twice', `${profile('a')}  policy: x\n`, /^no YAML: Map keys must be unique/],
    ['an alias of nothing', `${profile('a')}  mode: *x\n`, /^no YAML: Unresolved alias/],
    ['a template', `${profile('a')}  {{- if .Values.x }}\n  mode: x\n`, /helm template/],
    ['no object', 'a: b\n', /^no Kubernetes object/],
    ['a list without kind', '[AppArmorProfile]', /^no Kubernetes object/],
  ];
  for (const [title, text, expected] of unreadable) {
    it(`says what and where is wrong with ${title}, and reads the other documents`, () => {
      const whole = `${profile('before')}---\n${text}\n---\n${profile('after')}`;
      expect(names(whole)).to.deep.equal(['before', 'after']);
      const { problems } = readDocuments('a.yaml', whole);
      expect(problems).to.have.length(1);
      expect(problems[0]?.message.replace('this document is ', '')).to.match(expected);
      expect(problems[0]?.position?.line).to.be.within(7, 16);
    });
  }

  it('refuses aliases that grow without end', () => {
    const levels = Array.from('bcdefgh', (name, index) => `${name}: &${name} [${`*${'abcdefg'[index]},`.repeat(9)}]\n`);
    const { problems } = readDocuments('a.yaml', `kind: AppArmorProfile\na: &a [x]\n${levels.join('')}`);
    expect(problems[0]?.message).to.match(/Excessive alias count/);
  });

  const endless: [string, string, RegExp][] = [
    ['flow sequences', '[', /nested too deeply/],
    ['flow mappings', '{a: ', /nested too deeply/],
    ['block sequences', '- ', /nested too deeply/],
    ['keys', '? ', /nested too deeply/],
    ['anchors', '&a ', /more than 200000 parts/],
    ['entries', '- b: c\n', /more than 200000 parts/],
  ];
  for (const [title, unit, expected] of endless) {
    it(`refuses ${title} without end, in seconds`, function () {
      this.timeout(20_000);
      const { problems } = readDocuments(
        'a.yaml',
        `kind: AppArmorProfile\n---\n# AppArmorProfile\n${unit.repeat(500_000)}`,
      );
      expect(problems[0]?.message).to.match(expected);
    });
  }

  it('reads objects that are nested as deeply as any', () => {
    const deep = `${profile('a')}status: ${'['.repeat(90)}${']'.repeat(90)}\n`;
    expect(names(deep)).to.deep.equal(['a']);
    const blocks = `${profile('b')}status:\n${Array.from({ length: 200 }, (_, level) => `${' '.repeat(level + 1)}a:\n`).join('')}`;
    expect(names(blocks)).to.deep.equal(['b']);
    const oneLine = `{"kind": "AppArmorProfile", "metadata": {"name": "c"}, "status": [${'{"a":1},'.repeat(1000)}0]}`;
    expect(names(oneLine)).to.deep.equal(['c']);
  });

  it('refuses a document that would take minutes to read', () => {
    const { problems } = readDocuments('a.yaml', `# AppArmorProfile\n${'- a\n'.repeat(MOST_DOCUMENT_CHARACTERS / 4)}`);
    expect(problems[0]?.message).to.match(/has \d+ characters, at most 4194304 are read/);
  });

  it('passes over large objects of other kinds at once', () => {
    const start = performance.now();
    const { ignored } = readDocuments('a.yaml', `kind: ConfigMap\ndata:\n${'  a: b\n'.repeat(2 ** 20)}`);
    expect(ignored).to.equal(1);
    expect(performance.now() - start).to.be.lessThan(3000);
  });

  it('says no more than twenty times that a file is something else', () => {
    expect(readDocuments('a.yaml', '--- a\n'.repeat(1000)).problems).to.have.length(20);
  });

  it('says that a file holds nothing', () => {
    expect(firstMessage('a.yaml', '# nothing\n---\n')).to.equal('holds no Kubernetes object');
    expect(firstMessage('-', '\n')).to.equal('is empty');
    expect(firstMessage('README', 'hello')).to.match(/neither YAML or JSON .* nor an AppArmor policy/);
  });

  it('gives positions in a policy file as they are', () => {
    const [input] = readDocuments('usr.bin.x', 'profile x { file, }').inputs;
    expect(input?.kind).to.equal('policy');
    expect(input?.textPosition(['spec', 'policy'], { line: 3, column: 4 })).to.deep.equal({ line: 3, column: 4 });
    expect(input?.fieldPosition(['spec', 'policy'])).to.deep.equal({ line: 1, column: 1 });
  });
});
