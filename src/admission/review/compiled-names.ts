import { CompiledPolicyError, readCompiledProfiles } from '../../policy/compiled.ts';
import { nameDifference } from '../../policy/name-difference.ts';
import { printable } from '../../policy/printable.ts';
import { scanPolicy } from '../../policy/scan.ts';

/**
 * Why agents would not load this binary for this text: it defines other profiles. Undefined: they would.
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
  const difference = nameDifference({ read, made, hasIncludes: scan.includes.length > 0 });
  if (difference === undefined) return undefined;
  const defines = difference.kind === 'added' ? 'also defines' : 'does not define';
  return { message: `compiled, the text ${defines} the profile ${printable(difference.profile)}`, remedy: REPORT };
}

const REPORT = 'write the name out as plain text, or report this text';
