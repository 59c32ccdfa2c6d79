/** One subcommand of the program. Resolves with the exit code; the environment comes in here and is read nowhere else. */
export type Command = (invocation: Invocation) => Promise<number>;

export interface Invocation {
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the process is asked to stop. */
  signal: AbortSignal;
}

/** Something is wrong with how the program was called: exit code 2, the message is all the user needs. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The value of an environment variable that the manifests set. Throws UsageError that names it when it is missing. */
export function requiredVariable(env: Invocation['env'], name: string): string {
  const value = env[name];
  if (value === undefined || value === '') {
    throw new UsageError(`the environment variable ${name} is not set: the manifests set it from the pod's own fields`);
  }
  return value;
}

/** A whole number from a flag, inside its range. Throws UsageError that names the flag otherwise. */
export function wholeNumber(flag: string, value: string, range: { least: number; most: number }): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < range.least || number > range.most) {
    throw new UsageError(`--${flag} takes a whole number from ${range.least} to ${range.most}, not '${value}'`);
  }
  return number;
}
