import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createTrialCompiler, type TrialBudget, type TrialOutcome } from '../../../../src/admission/review/trial.ts';
import type { CompilerPaths } from '../../../../src/policy/compile.ts';
import { assertParserInstalled, GENEROUS, INSTALLED } from '../../policy/installed-parser.ts';
import { waitFor } from '../../../testbed/process.ts';
import { readInput } from '../../policy/read-input.ts';

const GOOD = 'profile web {\n  file,\n}\n';
const BAD = 'profile web {\n  file,\n  capability nonsense,\n}\n';

const QUICK: TrialBudget = { limits: GENEROUS, final: false, urgency: 'urgent' };

/** For the explosive policy, which needs 13 s of CPU before 160 MiB are full. */
const SHORT: TrialBudget = { ...QUICK, limits: { ...GENEROUS, cpuSeconds: 1, wallClockMs: 600 } };

describe('createTrialCompiler', function trialCompiler() {
  this.timeout(30_000);
  let folder: string;
  let explosive: string;

  before(() => {
    assertParserInstalled();
    explosive = readInput('dfa-explosion');
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trial-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Runs against the parser of this machine, or a script in its place, and leaves neither file nor process behind. */
  async function withTrial(
    run: (
      attempt: (text: string, budget?: TrialBudget, signal?: AbortSignal) => Promise<TrialOutcome>,
      more: { trial: ReturnType<typeof createTrialCompiler>; runs: () => Promise<number> },
    ) => Promise<void>,
    script?: string,
  ): Promise<void> {
    const [parser, count] = [join(folder, 'parser'), join(folder, 'count')];
    await writeFile(parser, `#!/bin/sh\necho run >> ${count}\n${script ?? `exec ${INSTALLED.parser} "$@"`}\n`);
    await chmod(parser, 0o755);
    const work = await mkdtemp(join(folder, 'work-'));
    const paths: CompilerPaths = { ...INSTALLED, parser, workFolder: work };
    const trial = createTrialCompiler(paths);
    try {
      await run(
        (text, budget = QUICK, signal = new AbortController().signal) =>
          trial.try({ texts: [{ field: 'policy', text }] }, budget, signal),
        { trial, runs: async () => (await readFile(count, 'utf8').catch(() => '')).split('\n').length - 1 },
      );
    } finally {
      await trial.stop();
    }
    expect(await readdir(work)).to.deep.equal([]);
    expect(await processesWith(work)).to.deep.equal([]);
  }

  it('passes what compiles, and remembers it by text and mode', () =>
    withTrial(async (attempt, { trial, runs }) => {
      expect(await attempt(GOOD)).to.deep.equal({ kind: 'passed' });
      expect(await attempt(GOOD)).to.deep.equal({ kind: 'passed' });
      expect(await runs()).to.equal(1);
      const complain = { texts: [{ field: 'policy', text: GOOD }], mode: 'Complain' } as const;
      expect(await trial.try(complain, QUICK, new AbortController().signal)).to.deep.equal({ kind: 'passed' });
      expect(await runs()).to.equal(2);
    }));

  it('compiles a text once for all who ask meanwhile', () =>
    withTrial(async (attempt, { runs }) => {
      const outcomes = await Promise.all([attempt(GOOD), attempt(GOOD), attempt(GOOD)]);
      expect(new Set(outcomes.map(({ kind }) => kind))).to.deep.equal(new Set(['passed']));
      expect(await runs()).to.equal(1);
    }));

  it('refuses what the parser refuses, with its message, its line and the field of each text', () =>
    withTrial(async (_, { trial }) => {
      const texts = [
        { field: 'policy', text: BAD },
        { field: 'variants[0].policy', text: GOOD },
        { field: 'variants[1].policy', text: BAD },
      ];
      const outcome = await trial.try({ texts }, QUICK, new AbortController().signal);
      const errors = outcome.kind === 'refused' ? outcome.errors : [];
      expect(
        errors.map(({ rule, severity, field, position }) => [rule, severity, field, position?.line]),
      ).to.deep.equal([
        ['compile-failed', 'error', 'policy', 3],
        ['compile-failed', 'error', 'variants[1].policy', 3],
      ]);
      expect(errors[0]?.message).to.match(/nonsense/);
    }));

  it('an explosive text is slow at a review, refused in the end, and no process is left', () =>
    withTrial(async (attempt, { runs }) => {
      expect(await attempt(explosive, SHORT)).to.deep.equal({ kind: 'unfinished', why: 'slow' });
      expect(await attempt(explosive, SHORT)).to.deep.equal({ kind: 'unfinished', why: 'slow' });
      expect(await runs()).to.equal(1);
      const final = await attempt(explosive, { ...SHORT, final: true, limits: { ...SHORT.limits, cpuSeconds: 2 } });
      expect(ruleOf(final)).to.equal('compile-timeout');
      expect(ruleOf(await attempt(explosive, SHORT))).to.equal('compile-timeout');
      expect(await runs()).to.equal(2);
    }));

  it('says that a text needs too much memory', () =>
    withTrial(async (attempt) => {
      const limits = { ...GENEROUS, addressSpaceBytes: 12 * 2 ** 20 };
      expect(ruleOf(await attempt(explosive, { ...QUICK, limits }))).to.equal('compile-out-of-memory');
      expect(await attempt(GOOD, { ...QUICK, limits })).to.deep.equal({ kind: 'passed' });
    }));

  it('says that a text makes the parser crash', () =>
    withTrial(async (attempt) => {
      expect(ruleOf(await attempt(GOOD))).to.equal('compile-crashed');
    }, 'kill -SEGV $$'));

  it('says that the compiled policy is too large', () =>
    withTrial(async (attempt) => {
      const limits = { ...GENEROUS, outputBytes: 100 };
      expect(ruleOf(await attempt(GOOD, { ...QUICK, limits }))).to.equal('compile-output-too-large');
    }));

  it('says that the compiled policy defines something else', () =>
    withTrial(async (attempt) => {
      expect(ruleOf(await attempt('@{X}=web\nprofile @{X} { file, }\n'))).to.equal('compiled-names');
      expect(ruleOf(await attempt('# nothing'))).to.equal('compiled-names');
    }));

  it('a parser that is missing is not the fault of the text', async () => {
    const trial = createTrialCompiler({ ...INSTALLED, parser: join(folder, 'missing') });
    const outcome = await trial.try({ texts: [{ field: 'policy', text: BAD }] }, QUICK, new AbortController().signal);
    expect(outcome.kind).to.equal('unavailable');
    expect(outcome.kind === 'unavailable' && outcome.message).to.contain('missing');
    await trial.stop();
  });

  it('is asked again once the parser is there', async () => {
    const parser = join(folder, 'parser');
    const trial = createTrialCompiler({ ...INSTALLED, parser });
    const attempt = () => trial.try({ texts: [{ field: 'policy', text: GOOD }] }, QUICK, new AbortController().signal);
    expect((await attempt()).kind).to.equal('unavailable');
    await writeFile(parser, `#!/bin/sh\nexec ${INSTALLED.parser} "$@"\n`, { mode: 0o755 });
    expect(await attempt()).to.deep.equal({ kind: 'passed' });
    await trial.stop();
  });

  it('two compile at once; who has no time to wait is told to ask again', () =>
    withTrial(async (attempt) => {
      const slow = [1, 2].map((number) => attempt(`${explosive}\n# ${number}`, SHORT));
      const impatient = AbortSignal.timeout(100);
      expect(await attempt(GOOD, QUICK, impatient)).to.deep.equal({ kind: 'unfinished', why: 'busy' });
      expect(await attempt(GOOD)).to.deep.equal({ kind: 'passed' });
      expect((await Promise.all(slow)).map(({ kind }) => kind)).to.deep.equal(['unfinished', 'unfinished']);
    }));

  it('a compile that was begun goes on when nobody waits any more, and is found afterwards', () =>
    withTrial(async (attempt, { runs }) => {
      expect(await attempt(GOOD, QUICK, AbortSignal.timeout(300))).to.deep.equal({ kind: 'unfinished', why: 'busy' });
      expect(await attempt(GOOD)).to.deep.equal({ kind: 'passed' });
      expect(await runs()).to.equal(1);
    }, `sleep 1\nexec ${INSTALLED.parser} "$@"`));

  it('ends what runs when it is stopped', () =>
    withTrial(async (attempt, { trial, runs }) => {
      const outcome = attempt(explosive);
      await waitFor('the parser to start', { deadlineMs: 10_000 }, async () => (await runs()) > 0);
      await trial.stop();
      expect(await outcome).to.deep.equal({ kind: 'unfinished', why: 'busy' });
      expect(await attempt(GOOD)).to.deep.equal({ kind: 'unfinished', why: 'busy' });
    }));
});

function ruleOf(outcome: TrialOutcome): string | undefined {
  return outcome.kind === 'refused' ? outcome.errors[0]?.rule : outcome.kind;
}

/** Processes with the word in their command line. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(word)) found.push(commandLine);
  }
  return found;
}
