import { expect } from 'chai';
import { includeTarget } from '../../../src/policy/include-target.ts';
import { scanPolicy } from '../../../src/policy/scan.ts';

const FILES = new Set(['/base/abstractions/base', '/base/a b', '/etc/passwd']);

const CASES: readonly [statement: string, target: ReturnType<typeof includeTarget>][] = [
  ['include <abstractions/base>', { kind: 'found', path: '/base/abstractions/base' }],
  ['include <abstractions//./base>', { kind: 'found', path: '/base/abstractions/base' }],
  ['include <"a b">', { kind: 'found', path: '/base/a b' }],
  ['include if exists <local/x>', { kind: 'missing', path: '/base/local/x' }],
  ['include <../etc/passwd>', { kind: 'found', path: '/etc/passwd' }],
  ['include </etc/passwd>', { kind: 'missing', path: '/base/etc/passwd' }],
  ['include "/etc/passwd"', { kind: 'found', path: '/etc/passwd' }],
  ['include /etc/../etc/shadow', { kind: 'missing', path: '/etc/shadow' }],
  ['include "abstractions/base"', { kind: 'nowhere' }],
  ['include abstractions/base', { kind: 'nowhere' }],
];

describe('includeTarget', () => {
  for (const [statement, target] of CASES) {
    it(`${statement}: ${target.kind}`, () => {
      const [include] = scanPolicy(`${statement}\n`).includes;
      if (include === undefined) throw new Error('no include');
      expect(includeTarget(include, '/base', (path) => FILES.has(path))).to.deep.equal(target);
    });
  }
});
