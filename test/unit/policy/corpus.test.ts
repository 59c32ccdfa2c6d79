import { expect } from 'chai';
import { reviewPolicy } from '../../../src/policy/rules.ts';
import { scanPolicy } from '../../../src/policy/scan.ts';
import { compiledCorpus, type CorpusPolicy } from '../../corpus/compiled-corpus.ts';
import { defaultCacheFolder } from '../../testbed/cache.ts';

/**
 * What the parser accepts and the review refuses, since the names are not in the text. Nothing else may be read otherwise than the
 * parser does.
 */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  // Whether a profile inside `if` exists depends on values, which may come from includes.
  unreadable: ['conditional/else_2.sd', 'conditional/ok_5.sd', 'conditional/ok_6.sd', 'conditional/ok_7.sd'],
  'variable-name': ['01', '02', '03', '04', '09', ...Array.from({ length: 12 }, (_, index) => `${index + 10}`)].map(
    (number) => `vars/vars_profile_name_${number}.sd`,
  ),
};

/** As many as Debian 13's parser 4.1 has, and accepts. */
const POLICIES = 2053;
const ACCEPTED = 1221;

/** Processor time of one scan. The texts are small; room is left for a machine that runs other tests, and for coverage. */
const MOST_MS = 50;

describe('the parser’s own tests', () => {
  let corpus: readonly CorpusPolicy[];
  let accepted: readonly Required<CorpusPolicy>[];

  before(async function compile() {
    // From nothing: the packages are fetched, and everything is compiled.
    this.timeout(20 * 60_000);
    corpus = await compiledCorpus({ folder: defaultCacheFolder(process.env), log: console.log });
    accepted = corpus.filter((policy): policy is Required<CorpusPolicy> => policy.compiled !== undefined);
  });

  it('are all there', () => {
    expect(corpus).to.have.length(POLICIES);
    expect(accepted).to.have.length(ACCEPTED);
  });

  it('are scanned without a throw and in little time, those too that the parser refuses', () => {
    const slow = corpus.filter(({ text }) => {
      const before = process.cpuUsage();
      scanPolicy(text);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000 > MOST_MS;
    });
    expect(slow.map(({ file }) => file)).to.deep.equal([]);
  });

  it('define what the parser compiles, where the parser accepts them, but for names that are not in the text', () => {
    const refused: Record<string, string[]> = {};
    for (const { file, text, compiled } of accepted) {
      const names = scanPolicy(text)
        .profiles.map(({ name }) => name)
        .toSorted();
      if (names.join('\n') === compiled.names.join('\n')) continue;
      const { findings } = reviewPolicy({ text, allowHostAttachment: true });
      const rule = findings.find(({ severity }) => severity === 'error')?.rule;
      expect(
        rule,
        `${file} compiles to ${compiled.names.join(', ')}, and was read as ${names.join(', ')}`,
      ).not.to.equal(undefined);
      (refused[rule ?? ''] ??= []).push(file);
    }
    expect(refused).to.deep.equal(REFUSED);
  });
});
