import { expect } from 'chai';
import { namesOwnedByOthers, type Claimant } from '../../../../src/admission/review/name-owners.ts';

const claim = (profiles: readonly string[], nodeSelector: Record<string, string> = {}) => ({ profiles, nodeSelector });

/** An object of the second day that wants `web`. */
const me = (change: Partial<Claimant> = {}): Claimant => object('me', 2, { wanted: claim(['web']), ...change });

function object(name: string, day: number, change: Partial<Claimant> = {}): Claimant {
  return { name, uid: `uid-${name}`, creationTimestamp: `2030-01-0${day}T00:00:00Z`, heldBack: false, ...change };
}

describe('namesOwnedByOthers', () => {
  for (const [title, mine, others, owner] of [
    ['nobody else wants it', me(), [], undefined],
    ['an older object wants it', me(), [object('old', 1, { wanted: claim(['x', 'web']) })], 'old'],
    ['an older one wants other names', me(), [object('old', 1, { wanted: claim(['x']) })], undefined],
    ['a younger object wants it', me(), [object('young', 3, { wanted: claim(['web']) })], undefined],
    ['a younger object has it in force', me(), [object('young', 3, { inForce: claim(['web']) })], 'young'],
    [
      'a younger one and this have it in force',
      me({ inForce: claim(['web']) }),
      [object('young', 3, { inForce: claim(['web']) })],
      undefined,
    ],
    [
      'an older one and this have it in force',
      me({ inForce: claim(['web']) }),
      [object('old', 1, { inForce: claim(['web']) })],
      'old',
    ],
    [
      'an older one wants what this has in force',
      me({ inForce: claim(['web']) }),
      [object('old', 1, { wanted: claim(['web']) })],
      undefined,
    ],
    ['an older one that is refused', me(), [object('old', 1)], undefined],
    ['an older one that is held back', me(), [object('old', 1, { wanted: claim(['web']), heldBack: true })], undefined],
    [
      'an older one that is held back with it in force',
      me(),
      [object('old', 1, { heldBack: true, inForce: claim(['web']) })],
      'old',
    ],
    [
      'an older one that renames it, while the old name is in force',
      me(),
      [object('old', 1, { wanted: claim(['new']), inForce: claim(['web']) })],
      'old',
    ],
    [
      'nodeSelectors that contradict each other',
      me({ wanted: claim(['web'], { os: 'ubuntu', disk: 'ssd' }) }),
      [object('old', 1, { wanted: claim(['web'], { os: 'debian' }) })],
      undefined,
    ],
    [
      'nodeSelectors that a node may both have',
      me({ wanted: claim(['web'], { os: 'ubuntu' }) }),
      [object('old', 1, { wanted: claim(['web'], { disk: 'ssd' }) })],
      'old',
    ],
    [
      'one of them selects every node',
      me({ wanted: claim(['web'], { os: 'ubuntu' }) }),
      [object('old', 1, { wanted: claim(['web']) })],
      'old',
    ],
    [
      'what is in force there is for other nodes than the new spec',
      me({ wanted: claim(['web'], { os: 'ubuntu' }) }),
      [object('young', 3, { wanted: claim(['web']), inForce: claim(['web'], { os: 'debian' }) })],
      undefined,
    ],
    [
      'the oldest of several',
      me({ creationTimestamp: '2030-01-05T00:00:00Z' }),
      [object('b', 2, { wanted: claim(['web']) }), object('a', 1, { wanted: claim(['web']) })],
      'a',
    ],
    ['of the same second the smaller uid', me(), [object('aaa', 2, { wanted: claim(['web']) })], 'aaa'],
    ['of the same second a larger uid', me(), [object('zzz', 2, { wanted: claim(['web']) })], undefined],
  ] as [string, Claimant, Claimant[], string | undefined][]) {
    it(`${title}: ${owner ?? 'free'}`, () => {
      expect(namesOwnedByOthers(mine, [mine, ...others])).to.deep.equal(
        owner === undefined ? [] : [{ profile: 'web', owner }],
      );
    });
  }

  it('an object that is refused wants nothing', () => {
    expect(namesOwnedByOthers(object('me', 2), [object('old', 1, { wanted: claim(['web']) })])).to.deep.equal([]);
  });

  it('of two that are not published exactly one owns a name', () => {
    const [left, right] = [object('a', 1, { wanted: claim(['web']) }), object('b', 1, { wanted: claim(['web']) })];
    const both = [left, right].map((one) => namesOwnedByOthers(one, [left, right]).length);
    expect(both).to.deep.equal([0, 1]);
  });
});
