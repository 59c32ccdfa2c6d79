import { CompiledPolicyError, readCompiledProfiles } from '../../policy/compiled.ts';
import { printable } from '../../policy/printable.ts';
import { scanPolicy } from '../../policy/scan.ts';

/**
 * Why agents would not load this binary for this text: it defines other profiles. Only children of the text's own profiles may be
 * added, by files that it includes. Undefined: they would.
 */
export function compiledNamesFault(text: string, binary: Buffer): { message: string; remedy: string } | undefined {
  const scan = scanPolicy(text);
  const read = new Set(scan.profiles.map(({ name }) => name));
  let made: ReadonlySet<string>;
  try {
    made = new Set(readCompiledProfiles(binary).map(({ name }) => name));
  } catch (error) {
    if (!(error instanceof CompiledPolicyError)) throw error;
    return { message: `the compiled policy cannot be read: ${error.message}`, remedy: REPORT };
  }
  const isIncluded = (name: string): boolean => scan.includes.length > 0 && read.has(rootOf(name)) && !read.has(name);
  const added = [...made].find((name) => !read.has(name) && !isIncluded(name));
  if (added !== undefined) {
    return { message: `compiled, the text also defines the profile ${printable(added)}`, remedy: REPORT };
  }
  const missing = [...read].find((name) => !made.has(name));
  if (missing === undefined) return undefined;
  return { message: `compiled, the text does not define the profile ${printable(missing)}`, remedy: REPORT };
}

const REPORT = 'write the name out as plain text, or report this text';

/** A child's name has its parent in front, which may itself be a path. */
function rootOf(name: string): string {
  const end = name.indexOf('//', 1);
  return end === -1 ? name : name.slice(0, end);
}
