import type { LintDocuments } from './documents.ts';
import { judgeInput, type JudgedInput } from './judge-input.ts';
import type { FileProblem, LintResult, PlacedFinding, PolicyReport } from './report.ts';
import { sharedNames } from './shared-names.ts';

export interface LintedFile {
  /** As given on the command line. */
  file: string;
  documents: LintDocuments;
}

/** What compiling the texts of one input showed. */
export interface CompileReport extends Pick<PolicyReport, 'compile' | 'compileSkipped'> {
  findings: readonly PlacedFinding[];
  /** For the user, where there is more to know than a finding tells. */
  note?: string;
}

/** Compiles the texts of an input that no rule refuses. */
export type CompileInput = (judged: JudgedInput) => Promise<CompileReport>;

/** Everything that lint has to say of the files, in their order. */
export async function lint(files: readonly LintedFile[], compile: CompileInput): Promise<LintResult> {
  const judged = files.flatMap(({ documents }) => documents.inputs).map(judgeInput);
  const shared = sharedNames(judged);
  const compiled = await inTurn(judged, (each) => reportOf(each, shared.get(each) ?? [], compile));
  return {
    reports: compiled.map(({ report }) => report),
    notes: compiled.flatMap(({ report, note }) => (note === undefined ? [] : [{ file: report.file, message: note }])),
    problems: files.flatMap(({ file, documents }) =>
      documents.problems.map((problem): FileProblem => ({ file, ...problem })),
    ),
    ignored: files.reduce((sum, { documents }) => sum + documents.ignored, 0),
  };
}

async function reportOf(
  judged: JudgedInput,
  shared: readonly PlacedFinding[],
  compile: CompileInput,
): Promise<{ report: PolicyReport; note?: string }> {
  const { input, object, profiles } = judged;
  const own = { file: input.file, object, profiles: profiles.map(({ name }) => name) };
  const findings = [...judged.findings, ...shared];
  if (findings.some(({ severity }) => severity === 'error')) {
    return { report: { ...own, findings, compile: 'skipped', compileSkipped: 'a rule refuses it already' } };
  }
  const { findings: compileFindings, note, ...compiled } = await compile(judged);
  const report = { ...own, findings: [...findings, ...compileFindings], ...compiled };
  return note === undefined ? { report } : { report, note };
}

/** As many at once as the trial compiler runs; more would only wait. The answers stand in the order of the items. */
const AT_ONCE = 2;

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
