import { expect } from 'chai';
import { currentRevisions } from '../../../src/agent/current-revisions.ts';
import { livingObjects, prepareRevision, textOf, wantedPolicies } from '../../../src/agent/prepared-revision.ts';
import type { PreparedRevision } from '../../../src/agent/prepared-revision.ts';
import { readContent, readHead, RevisionInvalidError } from '../../../src/agent/revision-content.ts';
import type { RevisionHead } from '../../../src/agent/revision-content.ts';
import { ANNOTATION, LABEL } from '../../../src/api/names.ts';
import type { RevisionContent } from '../../../src/api/revision.ts';
import { content, headOf, policyText } from './objects.ts';

describe('agent/current-revisions', () => {
  const one = head('web', 'one', 1);
  const two = head('web', 'two', 2);
  const ten = head('web', 'ten', 10);
  const other = head('other', 'x', 1);
  const cases: [string, RevisionHead[], string[], Record<string, (string | undefined)[]>][] = [
    ['the highest sequence', [two, ten, one], ['one', 'two', 'ten'], { 'uid-web': ['ten', 'ten'] }],
    ['the highest with a text beside the newest', [one, two, ten], ['one', 'two'], { 'uid-web': ['ten', 'two'] }],
    ['nothing usable before the first text is here', [one], [], { 'uid-web': ['one', undefined] }],
    ['each object apart', [other, one], ['one', 'x'], { 'uid-other': ['x', 'x'], 'uid-web': ['one', 'one'] }],
    ['the later name among equals', [head('web', 'a', 1), head('web', 'b', 1)], ['a', 'b'], { 'uid-web': ['b', 'b'] }],
    [
      'the later name among equals, in any order',
      [head('web', 'b', 1), head('web', 'a', 1)],
      ['a', 'b'],
      { 'uid-web': ['b', 'b'] },
    ],
  ];
  for (const [title, heads, texts, expected] of cases) {
    it(`takes ${title}`, () => {
      const current = currentRevisions(heads, ({ name }) => texts.includes(name));
      const names = [...current].map(([uid, { newest, usable }]) => [uid, [newest.name, usable?.name]]);
      expect(Object.fromEntries(names)).to.deep.equal(expected);
    });
  }
});

describe('agent/revision-content', () => {
  const web = content('web', {
    mode: 'Complain',
    nodeSelector: { os: 'debian' },
    variants: [{ nodeSelector: { os: 'ubuntu' }, policy: policyText('web') }],
  });
  const head = headOf(web, 3);
  const metadata = {
    name: head.name,
    labels: { [LABEL.objectUid]: head.objectUid },
    annotations: { [ANNOTATION.object]: 'web', [ANNOTATION.revisionHash]: head.hash, [ANNOTATION.sequence]: '3' },
  };

  it('reads the head from the metadata', () => {
    expect(readHead(metadata)).to.deep.equal(head);
  });

  const heads: [string, object][] = [
    ['a name', { ...metadata, name: undefined }],
    ['labels', { name: metadata.name }],
    ['a sequence', { ...metadata, annotations: { ...metadata.annotations, [ANNOTATION.sequence]: '' } }],
    [
      'a sequence that is a number',
      { ...metadata, annotations: { ...metadata.annotations, [ANNOTATION.sequence]: '1e3' } },
    ],
    ['a hash', { ...metadata, annotations: { ...metadata.annotations, [ANNOTATION.revisionHash]: '' } }],
  ];
  for (const [what, bad] of heads) {
    it(`refuses a head without ${what}`, () => expect(() => readHead(bad)).to.throw(RevisionInvalidError));
  }

  it('takes the content that the hash is of', () => {
    expect(readContent(head, structuredClone(web))).to.deep.equal(web);
  });

  const contents: [string, unknown][] = [
    ['nothing', undefined],
    ['a list', []],
    ['another text', { ...web, policy: 'profile x {}' }],
    ['no object', { ...web, object: undefined }],
    ['a number for a text', { ...web, policy: 1 }],
    ['profiles that are no names', { ...web, profiles: [1] }],
    ['an unknown mode', { ...web, mode: 'Kill' }],
    ['a selector that is none', { ...web, nodeSelector: { os: 1 } }],
    ['variants that are none', { ...web, variants: [{ policy: '' }] }],
    ['an unknown conflict policy', { ...web, conflictPolicy: 'Perhaps' }],
  ];
  for (const [what, data] of contents) {
    it(`refuses ${what}`, () => expect(() => readContent(head, data)).to.throw(RevisionInvalidError));
  }

  it('refuses the content of another object, and another name', () => {
    const stolen = content('stolen');
    expect(() => readContent({ ...headOf(stolen), object: 'web' }, stolen)).to.throw(RevisionInvalidError, 'stolen');
    expect(() => readContent({ ...headOf(stolen), name: 'x' }, stolen)).to.throw(
      RevisionInvalidError,
      'should be named',
    );
  });
});

describe('agent/prepared-revision', () => {
  const mixed = content('web', {
    nodeSelector: { pool: 'apps' },
    variants: [{ nodeSelector: { os: 'ubuntu' }, policy: `# ubuntu\n${policyText('web')}` }],
  });

  it('wants what the selector means, with the text for this node', () => {
    const [debian] = wantedPolicies([prepare(mixed)], { pool: 'apps', os: 'debian' }, 'env');
    const [ubuntu] = wantedPolicies([prepare(mixed)], { pool: 'apps', os: 'ubuntu' }, 'env');
    expect(debian).to.deep.include({ names: ['web'], profiles: ['web'], conflictPolicy: 'Refuse', hasIncludes: false });
    expect(ubuntu?.fingerprint).to.not.equal(debian?.fingerprint);
    expect(wantedPolicies([prepare(mixed)], { pool: 'db' }, 'env')).to.deep.equal([]);
  });

  it('finds the text to a fingerprint, and none if the choice is another by now', () => {
    const labels = { pool: 'apps', os: 'ubuntu' };
    const [policy] = wantedPolicies([prepare(mixed)], labels, 'env');
    if (policy === undefined) throw new Error('not wanted');
    expect(textOf(mixed, labels, policy)).to.equal(mixed.variants?.[0]?.policy);
    expect(textOf(mixed, { pool: 'apps' }, policy)).to.equal(undefined);
  });

  it('has another fingerprint for another environment, mode or text', () => {
    const prints = [
      [content('web'), 'env'],
      [content('web'), 'env-2'],
      [content('web', { mode: 'Complain' }), 'env'],
      [content('web', { policy: `${policyText('web')}\n` }), 'env'],
    ] as const;
    const seen = prints.map(([of, environment]) => wantedPolicies([prepare(of)], {}, environment)[0]?.fingerprint);
    expect(new Set(seen).size).to.equal(prints.length);
  });

  it('keeps no text', () => {
    expect(JSON.stringify(prepare(mixed))).to.not.contain('file,');
  });

  it('sees children and includes', () => {
    const policy =
      '#include <tunables/global>\nprofile web {\n  profile child {\n    file,\n  }\n  ^hat {\n    file,\n  }\n}\n';
    const [wanted] = wantedPolicies([prepare(content('web', { policy }))], {}, 'env');
    expect(wanted).to.deep.include({ names: ['web', 'web//child', 'web//hat'], hasIncludes: true });
  });

  const refusals: [string, Partial<RevisionContent>, string][] = [
    ['reserved names', { policy: policyText('docker-default'), profiles: ['docker-default'] }, 'PolicyRefused'],
    ['includes out of the tree', { policy: 'profile web {\n  include "/etc/passwd"\n}\n' }, 'PolicyRefused'],
    ['another set of profiles', { policy: policyText('web', 'more') }, 'NameMismatch'],
  ];
  for (const [what, change, reason] of refusals) {
    it(`refuses ${what} in a revision made by hand`, () => {
      const [policy] = wantedPolicies([prepare(content('web', change))], {}, 'env');
      expect(policy?.refusal?.reason).to.equal(reason);
    });
  }

  it('leaves host attachments to the controller', () => {
    const policy = 'profile web /usr/bin/web {\n  file,\n}\n';
    expect(wantedPolicies([prepare(content('web', { policy }))], {}, 'env')[0]).to.not.have.property('refusal');
  });

  it('lists every object that lives, and what it defines where that is known', () => {
    const known = prepare(content('web', { profiles: ['web', 'web//x'] }));
    const unknown = headOf(content('new'));
    const living = livingObjects([{ newest: known, usable: known }, { newest: unknown }], [known]);
    expect(Object.fromEntries(living)).to.deep.equal({
      'uid-web': { uid: 'uid-web', name: 'web', profiles: new Set(['web']) },
      'uid-new': { uid: 'uid-new', name: 'new' },
    });
  });
});

function head(object: string, name: string, sequence: number): RevisionHead {
  return { name, objectUid: `uid-${object}`, object, hash: name, sequence };
}

function prepare(of: RevisionContent): PreparedRevision {
  return prepareRevision({ ...headOf(of), content: of });
}
