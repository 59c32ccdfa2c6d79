import type { TextFinding } from '../../admission/review/verdict.ts';
import type { InputProblem } from './documents.ts';

/** What lint says of one AppArmorProfile or policy file. */
export interface PolicyReport {
  /** As given on the command line; `-` is standard input. */
  file: string;
  /** Name of the AppArmorProfile; null for a policy file. */
  object: string | null;
  /** As the kernel names them, children and hats as `parent//child`, in the order of the text. */
  profiles: readonly string[];
  findings: readonly PlacedFinding[];
  /** `slow`: longer than the review waits, which accepts the text with a warning. */
  compile: 'ok' | 'failed' | 'slow' | 'skipped';
  /** Why it was skipped. */
  compileSkipped?: string;
}

export interface PlacedFinding extends Pick<TextFinding, 'rule' | 'severity' | 'message' | 'remedy'> {
  /** Below `spec`, as `policy` or `variants[0].policy`; null for what concerns the object or the whole file. */
  field: string | null;
  /** In the text of that field, from 1, as the API server's review counts; null where there is none. */
  line: number | null;
  column: number | null;
  /** Where that stands in the file. */
  fileLine: number;
  fileColumn: number;
}

/** As what kept a file, or a part of it, from being read. */
export interface FileProblem extends InputProblem {
  file: string;
}

export interface LintResult {
  reports: readonly PolicyReport[];
  problems: readonly FileProblem[];
  /** What is no finding and does not change the exit code. */
  notes: readonly FileProblem[];
  /** Objects of other kinds that were passed over. */
  ignored: number;
}

export type Severity = PlacedFinding['severity'];

export function count(reports: readonly PolicyReport[], severity: Severity): number {
  return reports.reduce((sum, { findings }) => sum + findings.filter((each) => each.severity === severity).length, 0);
}

/** 2: something could not be read; 1: something is refused, or with `strict` warned of; else 0. */
export function exitCode({ reports, problems }: LintResult, strict: boolean): 0 | 1 | 2 {
  if (problems.length > 0) return 2;
  return count(reports, 'error') > 0 || (strict && count(reports, 'warning') > 0) ? 1 : 0;
}
