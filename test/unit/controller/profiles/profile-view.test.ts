import { expect } from 'chai';
import { namesOwnedByOthers, viewProfile } from '../../../../src/controller/profiles/profile-view.ts';
import { policy, profileObject, profileView } from '../objects.ts';

describe('viewProfile', () => {
  it('keeps everything but the texts', () => {
    const object = { ...profileObject({}, { deletionTimestamp: '2030-01-02T00:00:00Z' }), status: { revision: 'x' } };
    const view = viewProfile(object, undefined);
    expect(view).to.deep.include({ name: 'web', generation: 1, deleting: true, status: { revision: 'x' } });
    expect(view.verdict).to.deep.include({ kind: 'accepted', profiles: ['web'] });
    expect(JSON.stringify(view)).not.to.contain('file,');
  });

  it('keeps at most ten errors of a refused text and counts the others', () => {
    const text = Array.from({ length: 14 }, (_, index) => `profile p${index} /bin/p${index} { }\n`).join('');
    const { verdict } = viewProfile(profileObject({ policy: text }), undefined);
    expect(verdict.kind === 'refused' && [verdict.errors.length, verdict.more]).to.deep.equal([10, 4]);
  });

  it('reads the texts again only for another generation or another object', () => {
    const first = viewProfile(profileObject({}), undefined);
    expect(viewProfile(profileObject({}, { resourceVersion: '11' }), first).verdict).to.equal(first.verdict);
    expect(viewProfile(profileObject({}, { generation: 2 }), first).verdict).not.to.equal(first.verdict);
    expect(viewProfile(profileObject({}, { uid: 'new' }), first).verdict).not.to.equal(first.verdict);
  });
});

const at = (name: string, created: string, profiles: string[], more = {}) =>
  profileView({
    name,
    uid: `uid-${name}`,
    creationTimestamp: created,
    verdict: { kind: 'accepted', hash: 'h', profiles },
    ...more,
  });

describe('namesOwnedByOthers', () => {
  const early = '2030-01-01T00:00:00Z';
  const late = '2030-01-02T00:00:00Z';

  for (const [title, others, expected] of [
    ['nobody else', [], []],
    ['an older object', [at('old', early, ['x', 'web'])], [{ profile: 'web', owner: 'old' }]],
    ['a younger object', [at('young', '2030-01-03T00:00:00Z', ['web'])], []],
    ['an older one with other names', [at('old', early, ['x'])], []],
    ['an older one that is being deleted', [at('old', early, ['web'], { deleting: true })], []],
    [
      'an older one that was refused',
      [at('old', early, [], { verdict: { kind: 'refused', errors: [], more: 0 } })],
      [],
    ],
    [
      'two older ones: the oldest',
      [at('b', '2030-01-01T12:00:00Z', ['web']), at('a', early, ['web'])],
      [{ profile: 'web', owner: 'a' }],
    ],
    ['one of the same second: the smaller uid', [at('aaa', late, ['web'])], [{ profile: 'web', owner: 'aaa' }]],
  ] as const) {
    it(title, () => {
      const me = at('me', late, ['web']);
      expect(namesOwnedByOthers(me, [me, ...others])).to.deep.equal(expected);
    });
  }

  it('a refused object defines nothing', () => {
    const me = profileView({ verdict: { kind: 'refused', errors: [], more: 0 } });
    expect(namesOwnedByOthers(me, [me, at('old', '2029-01-01T00:00:00Z', ['web'])])).to.deep.equal([]);
  });

  it('texts of the fixture are accepted', () => {
    expect(viewProfile(profileObject({ policy: policy('a', 'b') }), undefined).verdict.kind).to.equal('accepted');
  });
});
