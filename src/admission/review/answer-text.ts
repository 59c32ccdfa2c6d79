import { findingText, placedMessage, type TextFinding } from './finding.ts';

/** An answer is shown in a terminal; whoever has more errors corrects these first. */
const MOST_ERRORS = 10;

/** One finding in one line; several as a list, behind a line that says how many they are. */
export function refusalMessage(errors: readonly TextFinding[]): string {
  const [only] = errors;
  if (errors.length === 1 && only !== undefined) return findingText(only);
  const told = errors.slice(0, MOST_ERRORS).map((error) => `- ${findingText(error)}`);
  const more = errors.length - told.length;
  return [`${errors.length} errors, nothing is stored:`, ...told, ...(more === 0 ? [] : [`- and ${more} more`])].join(
    '\n',
  );
}

/** What the API server documents for one warning, and what it cuts at for all of an answer. */
const LONGEST_WARNING = 120;
const LONGEST_TOGETHER = 4000;

/**
 * Warnings as kubectl prints them, each in one line: with the remedy where both fit into 120 characters, the rule always. The API
 * server takes the rest away beyond 4096 characters, so what does not fit is counted here.
 */
export function warningLines(warnings: readonly TextFinding[]): string[] {
  const lines: string[] = [];
  let length = 0;
  for (const warning of warnings) {
    const line = warningLine(warning);
    if (length + line.length > LONGEST_TOGETHER) {
      lines.push(`${warnings.length - lines.length} more warnings`);
      break;
    }
    length += line.length;
    lines.push(line);
  }
  return lines;
}

function warningLine(finding: TextFinding): string {
  const { remedy, rule } = finding;
  const what = oneLine(placedMessage(finding));
  const whole = oneLine(`${what}; ${remedy} (${rule})`);
  return whole.length <= LONGEST_WARNING ? whole : `${what} (${rule})`;
}

/** A warning travels in an HTTP header, which has no line ends. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}
