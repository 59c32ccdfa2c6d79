/** What the operator's image compiles with; older parsers do not know all that it does. */
export const OPERATORS_PARSER = '4.1';

/** Whether a version like `3.0.8` is older than the image's. */
export function isOlderParser(version: string): boolean {
  return compareVersions(version, OPERATORS_PARSER) < 0;
}

export interface FailedCompile {
  message: string;
  /** In `text`. */
  line: number | undefined;
  text: string;
}

/**
 * What an older parser surely stumbled over: an abi that came after it, or the beginning of a rule that it does not know.
 * Undefined where the text may as well be wrong.
 */
export function unknownToOlderParser({ message, line, text }: FailedCompile): string | undefined {
  const abi = /Could not open '(abi\/\d+\.\d+)'/.exec(message)?.[1];
  if (abi !== undefined) return abi;
  if (line === undefined || !message.startsWith('syntax error')) return undefined;
  const failed = (text.split('\n')[line - 1] ?? '').slice(0, LONGEST_RULE);
  return (NEWER_RULE.exec(failed) ?? NEWER_CONDITION.exec(failed))?.[1];
}

/** Of a line that is searched. */
const LONGEST_RULE = 2000;

/** Rules and conditions since AppArmor 3.1, at the beginning of a rule: apparmor.d(5) of 4.1 compared with 3.0. */
const NEWER_RULE =
  /(?:^|[{,])\s*(?:(?:audit|allow|deny|quiet)\s+)*(userns|mqueue|io_uring|all|prompt|priority)(?=[\s,=(])/;
const NEWER_CONDITION = /(?:^|[{,\s])network\s[^,]*?\b(port|ip)=/;

/** Numbers between dots; anything else counts as 0. */
export function compareVersions(left: string, right: string): number {
  const [ours, theirs] = [left, right].map((version) =>
    version.split('.').map((part) => Number.parseInt(part, 10) || 0),
  );
  for (let index = 0; index < Math.max(ours?.length ?? 0, theirs?.length ?? 0); index += 1) {
    const difference = (ours?.[index] ?? 0) - (theirs?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
