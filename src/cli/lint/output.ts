import { printable } from '../../policy/printable.ts';
import { count, type FileProblem, type LintResult, type PlacedFinding } from './report.ts';

export const OUTPUTS = ['text', 'json', 'github'] as const;
export type Output = (typeof OUTPUTS)[number];

export interface Printed {
  /** For standard output. */
  results: string;
  /** For standard error. */
  notes: string;
}

export function print(result: LintResult, output: Output): Printed {
  const problems = linesOf([...result.problems, ...result.notes]);
  const printers: Readonly<Record<Output, () => Printed>> = {
    text: () => ({ results: textOf(result), notes: `${problems}${summaryOf(result)}\n` }),
    json: () => ({ results: `${JSON.stringify(result.reports, undefined, 2)}\n`, notes: problems }),
    github: () => ({ results: annotationsOf(result), notes: problems }),
  };
  return printers[output]();
}

/** `file:line:column: severity: …`, which editors and CI systems know from compilers. */
function textOf({ reports }: LintResult): string {
  const lines = reports.flatMap(({ file, findings }) =>
    findings.map((finding) => {
      const { fileLine, fileColumn, severity } = finding;
      return `${shownFile(file)}:${fileLine}:${fileColumn}: ${severity}: ${sentence(finding)}\n`;
    }),
  );
  return lines.join('');
}

function sentence({ message, rule, remedy }: PlacedFinding): string {
  return `${message} (rule ${rule}); ${remedy}`;
}

function linesOf(problems: readonly FileProblem[]): string {
  return problems.map((problem) => `${placeOf(problem)}: ${problem.message}\n`).join('');
}

function placeOf({ file, position }: FileProblem): string {
  return position === undefined ? shownFile(file) : `${shownFile(file)}:${position.line}:${position.column}`;
}

function shownFile(file: string): string {
  return file === '-' ? '<stdin>' : printablePath(file);
}

function printablePath(file: string): string {
  // Printable shortens, as it is made for names.
  return /[\p{C}]/u.test(file) ? printable(file) : file;
}

function summaryOf({ reports, ignored }: LintResult): string {
  const errors = count(reports, 'error');
  const warnings = count(reports, 'warning');
  return [
    `${plural(reports.length, 'policy', 'policies')} checked: ${plural(errors, 'error')}, ${plural(warnings, 'warning')}`,
    ...(ignored === 0 ? [] : [`${plural(ignored, 'object')} of other kinds ignored`]),
  ].join('; ');
}

function plural(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`;
}

/** Workflow commands of GitHub Actions: annotations at the lines of the files. */
function annotationsOf({ reports, problems }: LintResult): string {
  const unreadable = problems.map(({ file, position, message }) =>
    annotation('error', { file, line: position?.line, col: position?.column, title: 'unreadable file' }, message),
  );
  const findings = reports.flatMap((report) =>
    report.findings.map((finding) => {
      const { severity, rule, fileLine, fileColumn } = finding;
      const properties = { file: report.file, line: fileLine, col: fileColumn, title: `AppArmor policy: ${rule}` };
      return annotation(severity, properties, sentence(finding));
    }),
  );
  return [...unreadable, ...findings].join('');
}

interface AnnotationProperties {
  file: string;
  line: number | undefined;
  col: number | undefined;
  title: string;
}

function annotation(command: 'error' | 'warning', properties: AnnotationProperties, message: string): string {
  const { file, ...others } = properties;
  // An annotation of standard input has no file to stand at.
  const shown = Object.entries(file === '-' ? { title: others.title } : { file, ...others })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  return `::${command} ${shown.join(',')}::${escapeMessage(message)}\n`;
}

/** What the runner unescapes; without it a line end in a message could begin another command. */
function escapeMessage(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
