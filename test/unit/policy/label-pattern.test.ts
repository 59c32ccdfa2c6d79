import { expect } from 'chai';
import { matchesLabel } from '../../../src/policy/label-pattern.ts';

const CASES: readonly [pattern: string, label: string, matches: boolean | undefined][] = [
  ['runc', 'runc', true],
  ['runc', 'crun', false],
  ['run', 'runc', false],
  ['runcc', 'runc', false],
  ['', 'runc', false],
  ['*', 'runc', true],
  ['**', 'runc', true],
  ['r*c', 'runc', true],
  ['r*x', 'runc', false],
  ['*runc*', 'runc', true],
  ['???c', 'runc', true],
  ['????c', 'runc', false],
  ['{runc,crun}', 'crun', true],
  ['{/usr/bin/,}crun', 'crun', true],
  ['{,/usr/bin/}crun', 'crun', true],
  ['{u,c}run', 'runc', false],
  ['{unconfined,{c,}run{c,}}', 'runc', true],
  ['{r{u{n{c,},},},}', 'runc', true],
  ['[a-z]unc', 'runc', true],
  ['[a-c]unc', 'runc', false],
  ['[^a-c]unc', 'runc', true],
  ['[xr]unc', 'runc', true],
  ['[]r]unc', 'runc', true],
  ['[r-]unc', 'runc', true],
  ['[r', 'runc', false],
  ['r\\unc', 'runc', true],
  ['runc\\', 'runc', false],
  ['runc,', 'runc', false],
  ['runc}', 'runc', false],
  ['{runc', 'runc', false],
  ['@{x}', 'runc', undefined],
  ['{{{{{runc}}}}}', 'runc', undefined],
  ['r'.repeat(129), 'runc', undefined],
];

describe('matchesLabel', () => {
  for (const [pattern, label, matches] of CASES) {
    it(`${matches ?? 'is not sure'}: ${pattern} for ${label}`, () => {
      expect(matchesLabel(pattern, label)).to.equal(matches);
    });
  }

  it('takes no time over a pattern that would keep a regular expression busy', () => {
    const before = process.cpuUsage();
    for (let round = 0; round < 100; round += 1) {
      expect(matchesLabel('*{n,o}'.repeat(21), 'unconfined')).to.equal(false);
      expect(matchesLabel(`${'*n'.repeat(60)}x`, 'unconfined')).to.equal(false);
    }
    expect(process.cpuUsage(before).user / 1000).to.be.below(1000);
  });
});
