/** A profile that a compiled policy and its text do not both define. */
export interface NameDifference {
  /** `added`: the compiled policy defines it, the text was not read to; `missing`: the other way round. */
  kind: 'added' | 'missing';
  profile: string;
}

/**
 * What makes a compiled policy another than the one that was read and reviewed. Only children of the text's own profiles may
 * be added, by files that it includes. Undefined: nothing.
 */
export function nameDifference(input: {
  /** Kernel names that the text was read to define. */
  read: ReadonlySet<string>;
  /** Kernel names in the compiled policy. */
  made: ReadonlySet<string>;
  hasIncludes: boolean;
}): NameDifference | undefined {
  const { read, made, hasIncludes } = input;
  const isIncluded = (name: string): boolean =>
    hasIncludes && [...read].some((parent) => name.startsWith(`${parent}//`));
  const added = [...made].find((name) => !read.has(name) && !isIncluded(name));
  if (added !== undefined) return { kind: 'added', profile: added };
  const missing = [...read].find((name) => !made.has(name));
  return missing === undefined ? undefined : { kind: 'missing', profile: missing };
}
