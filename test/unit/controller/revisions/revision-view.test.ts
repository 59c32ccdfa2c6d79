import { expect } from 'chai';
import { createRevisionIndex } from '../../../../src/controller/revisions/revision-index.ts';
import { revisionObject } from '../../../../src/controller/revisions/revision-object.ts';
import { revisionInForce, viewRevision } from '../../../../src/controller/revisions/revision-view.ts';
import { revisionHash, type RevisionContent } from '../../../../src/api/revision.ts';
import { policy, revisionView } from '../objects.ts';

const content: RevisionContent = {
  object: { name: 'web', uid: 'uid-web', creationTimestamp: '2030-01-01T00:00:00Z' },
  policy: policy('web', 'worker'),
  profiles: ['web', 'worker'],
  nodeSelector: { os: 'ubuntu' },
  conflictPolicy: 'Refuse',
};

function viewOf(change: Partial<RevisionContent>) {
  return viewRevision(revisionObject({ ...content, ...change }, 'operator', 4));
}

describe('revisionObject and viewRevision', () => {
  it('what is written is what is read', () => {
    expect(viewOf({})).to.deep.include({
      name: `web-${revisionHash(content)}`,
      deleting: false,
      objectUid: 'uid-web',
      objectName: 'web',
      hash: revisionHash(content),
      sequence: 4,
      profiles: ['web', 'worker'],
      mode: 'Enforce',
      nodeSelector: { os: 'ubuntu' },
    });
  });

  it('carries the agents’ label, the number that kubectl shows, and an owner that needs no finalizer right', () => {
    const { metadata, revision } = revisionObject(content, 'operator', 4);
    expect(metadata).to.deep.include({ namespace: 'operator' });
    expect(metadata.labels).to.include({ 'apparmor-operator.dev/revision': 'true' });
    expect(metadata.ownerReferences).to.deep.equal([
      {
        apiVersion: 'apparmor-operator.dev/v1alpha1',
        kind: 'AppArmorProfile',
        name: 'web',
        uid: 'uid-web',
        controller: true,
        blockOwnerDeletion: false,
      },
    ]);
    expect(revision).to.equal(4);
  });

  for (const [title, change, mode, unenforced] of [
    ['as the text says', {}, 'Enforce', []],
    ['complain flag', { policy: 'profile web flags=(complain) { }' }, 'Complain', ['web']],
    ['spec.mode', { mode: 'Complain' }, 'Complain', ['web', 'worker']],
    ['kill flag', { policy: 'profile web flags=(kill) { }' }, 'Kill', []],
    ['differs', { policy: 'profile web { } profile x flags=(complain) { }' }, 'Mixed', ['x']],
    ['differs in a child', { policy: 'profile web { profile x flags=(complain) { } }' }, 'Mixed', ['web']],
    [
      'differs in a variant',
      { variants: [{ nodeSelector: { a: 'b' }, policy: 'profile web flags=(unconfined) { }' }] },
      'Mixed',
      ['web'],
    ],
    ['nothing readable', { policy: '' }, 'Enforce', []],
  ] as const) {
    it(`mode: ${title}`, () => expect(viewOf(change as never)).to.deep.include({ mode, unenforced }));
  }

  it('survives what somebody spoilt', () => {
    const spoilt = viewRevision({
      metadata: { name: 'x', annotations: { 'apparmor-operator.dev/sequence': 'many' } },
      revision: 0,
    });
    expect(spoilt).to.deep.include({ sequence: 0, hash: '', objectUid: '', profiles: [], mode: 'Enforce' });
  });
});

describe('revisionInForce', () => {
  it('is the one with the highest sequence', () => {
    expect(revisionInForce([])).to.equal(undefined);
    const revisions = [2, 7, 3].map((sequence) => revisionView({ hash: `h${sequence}`, sequence }));
    expect(revisionInForce(revisions)?.hash).to.equal('h7');
  });
});

describe('createRevisionIndex', () => {
  it('follows the cache', () => {
    const index = createRevisionIndex();
    const [first, second, other] = [
      revisionView({ hash: 'a' }),
      revisionView({ hash: 'b' }),
      revisionView({ hash: 'c', objectUid: 'other' }),
    ];
    index.changed('a', first, undefined);
    index.changed('b', second, undefined);
    index.changed('c', other, undefined);
    expect(index.of('uid-web')).to.deep.equal([first, second]);
    const moved = { ...second, objectUid: 'other' };
    index.changed('b', moved, second);
    expect(index.of('uid-web')).to.deep.equal([first]);
    index.changed('a', undefined, first);
    expect(index.of('uid-web')).to.deep.equal([]);
    expect(index.of('other')).to.deep.equal([other, moved]);
  });
});
