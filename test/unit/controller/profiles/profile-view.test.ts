import { expect } from 'chai';
import { claimantOf, sameClaim, viewProfile } from '../../../../src/controller/profiles/profile-view.ts';
import { profileObject, profileView, revisionView } from '../objects.ts';

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

const readyFor = (observedGeneration: number, reason: string) => ({
  conditions: [
    { type: 'Ready', status: 'False', reason, message: '', observedGeneration, lastTransitionTime: '' } as const,
  ],
});

describe('claimantOf', () => {
  it('says what an object wants and what is in force of it', () => {
    const profile = profileView({ nodeSelector: { os: 'ubuntu' } });
    const inForce = revisionView({ profiles: ['before'], nodeSelector: { disk: 'ssd' } });
    expect(claimantOf(profile, inForce)).to.deep.equal({
      name: 'web',
      uid: 'uid-web',
      creationTimestamp: '2030-01-01T00:00:00Z',
      heldBack: false,
      wanted: { profiles: ['web'], nodeSelector: { os: 'ubuntu' } },
      inForce: { profiles: ['before'], nodeSelector: { disk: 'ssd' } },
    });
  });

  it('a refused object wants nothing', () => {
    const profile = profileView({ verdict: { kind: 'refused', errors: [], more: 0 } });
    expect(claimantOf(profile, undefined)).to.not.have.any.keys('wanted', 'inForce');
  });

  for (const [title, status, heldBack] of [
    ['one that does not compile is held back', readyFor(2, 'PolicyRefused'), true],
    ['one whose name another owns is held back', readyFor(2, 'Conflict'), true],
    ['one whose earlier generation was refused is not', readyFor(1, 'PolicyRefused'), false],
    ['one that is being published is not', readyFor(2, 'Progressing'), false],
  ] as const) {
    it(title, () => {
      expect(claimantOf(profileView({ status }), undefined).heldBack).to.equal(heldBack);
      expect(sameClaim(profileView({ status }), profileView())).to.equal(!heldBack);
    });
  }
});

describe('sameClaim', () => {
  for (const [title, change, same] of [
    ['its status', { resourceVersion: '11', status: readyFor(2, 'Loaded') }, true],
    ['other rules in the text', { generation: 3, verdict: { kind: 'accepted', hash: 'x', profiles: ['web'] } }, true],
    ['other names', { verdict: { kind: 'accepted', hash: 'x', profiles: ['other'] } }, false],
    ['other nodes', { nodeSelector: { a: 'b' } }, false],
    ['being deleted', { deleting: true }, false],
    ['another object of the name', { uid: 'new' }, false],
  ] as const) {
    it(`${title}: ${same ? 'the same' : 'another'}`, () => {
      expect(sameClaim(profileView(change), profileView())).to.equal(same);
    });
  }
});
