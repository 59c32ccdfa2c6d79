import { expect } from 'chai';
import {
  canonicalJson,
  policyFor,
  revisionHash,
  revisionName,
  selectsNode,
  type RevisionContent,
} from '../../../src/api/revision.ts';

const CONTENT: RevisionContent = {
  object: { name: 'web', uid: 'u1', creationTimestamp: '2026-01-01T00:00:00Z' },
  policy: 'profile web { file, }\n',
  profiles: ['web'],
  conflictPolicy: 'Refuse',
};

describe('revision', () => {
  describe('revisionHash', () => {
    it('is the same for equal contents whatever the order of their members', () => {
      const { object, ...rest } = CONTENT;
      expect(revisionHash({ ...rest, object })).to.equal(revisionHash(CONTENT));
    });

    const changes: [string, RevisionContent][] = [
      ['the text', { ...CONTENT, policy: 'profile web { }\n' }],
      ['the object, deleted and created again', { ...CONTENT, object: { ...CONTENT.object, uid: 'u2' } }],
      ['the mode', { ...CONTENT, mode: 'Complain' }],
      ['the selector', { ...CONTENT, nodeSelector: { os: 'ubuntu' } }],
      ['the conflict policy', { ...CONTENT, conflictPolicy: 'Replace' }],
      ['a variant', { ...CONTENT, variants: [{ nodeSelector: {}, policy: 'profile web { }' }] }],
    ];
    for (const [what, changed] of changes) {
      it(`changes with ${what}`, () => {
        expect(revisionHash(changed)).not.to.equal(revisionHash(CONTENT));
      });
    }
  });

  describe('revisionName', () => {
    it('is the object name and the hash', () => {
      expect(revisionName('web', '0123456789ab')).to.equal('web-0123456789ab');
    });

    it('stays a valid object name however long the object name is', () => {
      const name = revisionName(`${'a'.repeat(239)}.${'b'.repeat(13)}`, '0123456789ab');
      expect(name).to.have.lengthOf(252);
      expect(name).to.match(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
      expect(name).not.to.contain('.-');
    });
  });

  describe('selectsNode', () => {
    const cases: [string, Record<string, string> | undefined, Record<string, string>, boolean][] = [
      ['no selector', undefined, {}, true],
      ['an empty selector', {}, { a: 'b' }, true],
      ['an equal label', { a: 'b' }, { a: 'b', c: 'd' }, true],
      ['another value', { a: 'b' }, { a: 'x' }, false],
      ['a missing label', { a: 'b', c: 'd' }, { a: 'b' }, false],
    ];
    for (const [what, selector, labels, expected] of cases) {
      it(`${what}: ${expected}`, () => {
        expect(selectsNode(selector, labels)).to.equal(expected);
      });
    }
  });

  describe('policyFor', () => {
    const content = {
      policy: 'any',
      variants: [
        { nodeSelector: { os: 'ubuntu', arch: 'arm64' }, policy: 'ubuntu on arm' },
        { nodeSelector: { os: 'ubuntu' }, policy: 'ubuntu' },
      ],
    };
    const cases: [Record<string, string>, string][] = [
      [{ os: 'ubuntu', arch: 'arm64' }, 'ubuntu on arm'],
      [{ os: 'ubuntu' }, 'ubuntu'],
      [{ os: 'debian' }, 'any'],
      [{}, 'any'],
    ];
    for (const [labels, expected] of cases) {
      it(`${JSON.stringify(labels)} loads ${expected}`, () => {
        expect(policyFor(content, labels)).to.equal(expected);
      });
    }
  });

  it('canonicalJson sorts keys at every depth, keeps the order of lists and leaves out what is undefined', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }, 2], a: undefined })).to.equal('{"b":[{"c":null,"d":1},2]}');
  });
});
