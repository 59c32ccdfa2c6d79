import { readFileSync } from 'node:fs';

/** A file of test/inputs/policies. */
export function readInput(name: string): string {
  return readFileSync(new URL(`../../inputs/policies/${name}`, import.meta.url), 'utf8');
}
