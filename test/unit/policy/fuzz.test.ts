import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { compilePolicy, type CompileLimits, type CompilerPaths } from '../../../src/policy/compile.ts';
import { readCompiledProfiles } from '../../../src/policy/compiled.ts';
import { reviewPolicy, type PolicyReview, type ReviewInput } from '../../../src/policy/rules.ts';
import { scanPolicy } from '../../../src/policy/scan.ts';
import { compiledCorpus } from '../../corpus/compiled-corpus.ts';
import { trixieAppArmor } from '../../corpus/trixie-parser.ts';
import { defaultCacheFolder } from '../../testbed/cache.ts';
import { mutate, randomNumbers, type Mutated } from './mutations.ts';
import { READABLE, UNREADABLE } from './policy-texts.ts';
import { readInput } from './read-input.ts';

/** `FUZZ=20000 npx mocha test/unit/policy/fuzz.test.ts` makes as many; `FUZZ_SEED` starts elsewhere. */
const COUNT = Number(process.env['FUZZ'] ?? 400);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

const LIMITS: CompileLimits = {
  addressSpaceBytes: 256 * 2 ** 20,
  cpuSeconds: 10,
  wallClockMs: 60_000,
  outputBytes: 16 * 2 ** 20,
};

/** Processor time of scan and review, of texts of 20 KB at most. */
const MOST_MS = 250;

describe(`${COUNT} mutated policies from seed ${SEED}`, function fuzz() {
  this.timeout(60_000 + COUNT * 200);
  let compiler: CompilerPaths;
  let texts: readonly string[];

  before(async function compile() {
    this.timeout(20 * 60_000);
    const cache = { folder: defaultCacheFolder(process.env), log: console.log };
    ({ compiler } = await trixieAppArmor(cache));
    const corpus = await compiledCorpus(cache);
    const inputs = readdirSync(new URL('../../inputs/policies/', import.meta.url)).filter(
      (name) => !['README.md', 'dfa-explosion'].includes(name),
    );
    // Half of what is picked are the corpus' texts, the other half policies of users and our own.
    const ours = [...inputs.map(readInput), ...[...READABLE, ...UNREADABLE].map(([, text]) => text)];
    const shortest = corpus.map(({ text }) => text).filter((text) => text.length < 3000);
    texts = [
      ...shortest,
      ...ours.flatMap((text) => Array.from({ length: Math.ceil(shortest.length / ours.length) }, () => text)),
    ];
  });

  it('crash and hang neither scan nor review nor, if accepted, mean other profiles to the parser', async () => {
    const outcomes = new Map<string, number>();
    const kinds = new Map<string, number>();
    const failures: string[] = [];
    let made = 0;
    const worker = async (): Promise<void> => {
      while (made < COUNT && failures.length < 10) {
        const number = made;
        made += 1;
        const mutated = mutate(texts, randomNumbers(SEED * 1_000_003 + number));
        const outcome = await judge(mutated, number, compiler);
        if (outcome.startsWith(WRONG))
          failures.push(`${number}: ${outcome}: ${mutated.kinds.join(', ')}: ${JSON.stringify(mutated.text)}`);
        count(outcomes, outcome);
        for (const kind of mutated.kinds) count(kinds, kind);
      }
    };
    const started = performance.now();
    await Promise.all(Array.from({ length: availableParallelism() }, worker));
    if (process.env['FUZZ'] !== undefined) report({ outcomes, kinds }, (performance.now() - started) / 1000);
    expect(failures.join('\n')).to.equal('');
    expect(made).to.equal(COUNT);
    // The control: enough of them get past the review, and past the parser.
    expect(outcomes.get('compiled') ?? 0).to.be.above(COUNT / 20);
    expect(outcomes.get('refused') ?? 0).to.be.above(COUNT / 20);
  });
});

const WRONG = 'wrong: ';

/** What became of the text, beginning with {@link WRONG} where it should not have. */
async function judge({ text }: Mutated, number: number, compiler: CompilerPaths): Promise<string> {
  const mode = (['Enforce', 'Complain', undefined] as const)[number % 3];
  const input: ReviewInput = { text, allowHostAttachment: true, ...(mode === undefined ? {} : { mode }) };
  let review: PolicyReview;
  const before = process.cpuUsage();
  try {
    review = reviewPolicy(input);
  } catch (error) {
    return `${WRONG}the review throws ${String(error)}`;
  }
  const { user } = process.cpuUsage(before);
  if (user / 1000 > MOST_MS) return `${WRONG}the review takes ${user / 1000} ms`;
  if (review.findings.some(({ severity }) => severity === 'error')) return 'refused';

  const result = await compilePolicy({ text, limits: LIMITS, ...(mode === undefined ? {} : { mode }) }, compiler);
  if (result.kind === 'failed')
    return result.reason === 'ParserUnavailable' ? `${WRONG}${result.stderr}` : result.reason;
  const compiled = readCompiledProfiles(result.binary).map(({ name, mode }) => `${name} (${mode})`);
  const reported = review.allProfiles.map(({ name, mode }) => `${name} (${mode})`);
  const unexpected = compiled.filter((name) => !reported.includes(name) && !isFromInclude(name, text));
  const missing = reported.filter((name) => !compiled.includes(name));
  if (unexpected.length + missing.length === 0) return 'compiled';
  return `${WRONG}compiled to ${compiled.join(', ')}; reported ${reported.join(', ')}`;
}

/** Abstractions may bring children, and nothing else. */
function isFromInclude(name: string, text: string): boolean {
  return name.includes('//') && scanPolicy(text).includes.some(({ path }) => path.startsWith('abstractions'));
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function report(counts: Record<string, ReadonlyMap<string, number>>, seconds: number): void {
  for (const [title, map] of Object.entries(counts)) {
    const sorted = [...map].sort(([, one], [, other]) => other - one);
    console.log(`${title}: ${sorted.map(([key, value]) => `${key} ${value}`).join(', ')}`);
  }
  console.log(`${COUNT} policies from seed ${SEED} in ${seconds.toFixed(0)} s`);
}
