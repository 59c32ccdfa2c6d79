import { parseArgs } from 'node:util';
import { UsageError } from '../../command.ts';
import { OUTPUTS, type Output } from './output.ts';

export const LINT_USAGE = `usage: kubectl apparmor lint [flag ...] FILE...
       kubectl apparmor lint [flag ...] -

Checks AppArmorProfiles (YAML, several documents, Lists, JSON) and AppArmor policy files by the rules that the operator
applies in a cluster, without one. '-' reads standard input.

  -o, --output FORMAT  text, json or github (annotations of GitHub Actions) (default: text)
      --strict         warnings count like errors for the exit code
      --no-compile     do not compile the policies with apparmor_parser
      --parser PATH    apparmor_parser (default: the one on the PATH or in /usr/sbin or /sbin)
      --base PATH      folder of abi, abstractions and tunables (default: /etc/apparmor.d)
      --features PATH  features to compile for: an abi file (default: the newest in BASE/abi)
  -h, --help           this text

Exit code: 0 nothing is refused, 1 something is, 2 wrong usage or something that could not be read.
`;

export interface LintFlags {
  files: readonly string[];
  output: Output;
  strict: boolean;
  compile: boolean;
  help: boolean;
  parser?: string;
  base?: string;
  features?: string;
}

/** @throws UsageError */
export function readLintFlags(args: readonly string[]): LintFlags {
  const { values, positionals } = parse(args);
  const output = OUTPUTS.find((known) => known === values.output);
  if (output === undefined) throw new UsageError(`--output takes ${OUTPUTS.join(', ')}, not '${values.output}'`);
  if (positionals.length === 0 && !values.help) {
    throw new UsageError("no file is given; '-' reads standard input");
  }
  if (positionals.filter((file) => file === '-').length > 1) throw new UsageError("'-' can be given only once");
  const { parser, base, features } = values;
  return {
    files: positionals,
    output,
    strict: values.strict,
    compile: !values['no-compile'],
    help: values.help,
    ...(parser === undefined ? {} : { parser }),
    ...(base === undefined ? {} : { base }),
    ...(features === undefined ? {} : { features }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        output: { type: 'string', short: 'o', default: 'text' },
        strict: { type: 'boolean', default: false },
        'no-compile': { type: 'boolean', default: false },
        parser: { type: 'string' },
        base: { type: 'string' },
        features: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
