import { expect } from 'chai';
import { readLintFlags } from '../../../../src/cli/lint/flags.ts';
import { UsageError } from '../../../../src/command.ts';

describe('the flags of lint', () => {
  it('have defaults', () => {
    expect(readLintFlags(['a', '-', 'b'])).to.deep.equal({
      files: ['a', '-', 'b'],
      output: 'text',
      strict: false,
      compile: true,
      help: false,
    });
  });

  it('are all read', () => {
    const args = ['--strict', '-ojson', '--no-compile', '--parser', 'p', '--base=b', '--features', 'f', '--', '-x'];
    expect(readLintFlags(args)).to.deep.equal({
      files: ['-x'],
      output: 'json',
      strict: true,
      compile: false,
      help: false,
      parser: 'p',
      base: 'b',
      features: 'f',
    });
  });

  it('need no file for help', () => {
    expect(readLintFlags(['-h']).help).to.equal(true);
  });

  const wrong: [string[], RegExp][] = [
    [[], /no file is given/],
    [['--strict'], /no file is given/],
    [['-o', 'yaml', 'a'], /--output takes text, json, github, not 'yaml'/],
    [['--what', 'a'], /--what/],
    [['--strict=yes', 'a'], /--strict/],
    [['-', '-'], /only once/],
  ];
  for (const [args, expected] of wrong) {
    it(`refuse ${JSON.stringify(args)}`, () => {
      expect(() => readLintFlags(args)).to.throw(UsageError, expected);
    });
  }
});
