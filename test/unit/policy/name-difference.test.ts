import { expect } from 'chai';
import { nameDifference, type NameDifference } from '../../../src/policy/name-difference.ts';

const TABLE: readonly [title: string, read: string[], made: string[], hasIncludes: boolean, NameDifference?][] = [
  ['the same names', ['a', 'a//b'], ['a//b', 'a'], false],
  ['a profile that the text does not define', ['a'], ['a', 'b'], true, { kind: 'added', profile: 'b' }],
  ['a profile that the compiled policy lacks', ['a', 'b'], ['a'], true, { kind: 'missing', profile: 'b' }],
  ['a child that an include brings', ['a'], ['a', 'a//b'], true],
  ['a child for a path', ['a'], ['a', 'a///usr/bin/x'], true],
  ['a child where nothing is included', ['a'], ['a', 'a//b'], false, { kind: 'added', profile: 'a//b' }],
  ['a child of another profile', ['a'], ['a', 'ab//c'], true, { kind: 'added', profile: 'ab//c' }],
  ['both: what was added comes first', ['a'], ['b'], true, { kind: 'added', profile: 'b' }],
];

describe('nameDifference', () => {
  for (const [title, read, made, hasIncludes, difference] of TABLE) {
    it(`${title}: ${difference?.kind ?? 'none'}`, () => {
      const found = nameDifference({ read: new Set(read), made: new Set(made), hasIncludes });
      expect(found).to.deep.equal(difference);
    });
  }
});
