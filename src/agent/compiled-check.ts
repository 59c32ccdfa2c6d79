import { rootOf } from '../kernel/profile-name.ts';
import type { Failure } from './failure.ts';
import type { CompiledPolicy } from './plan.ts';
import type { WantedPolicy } from './prepared-revision.ts';

/**
 * Nothing goes to the kernel unless it is what was read and reviewed: the same names. Only children of the policy's own
 * profiles may be added, by files that the text includes.
 */
export function whatIsWrong(policy: WantedPolicy, compiled: CompiledPolicy): Failure | undefined {
  const [read, made] = [new Set(policy.names), new Set(compiled.profiles.map(({ name }) => name))];
  const isIncluded = (name: string): boolean => policy.hasIncludes && rootOf(name) !== name && read.has(rootOf(name));
  const different =
    [...made].find((name) => !read.has(name) && !isIncluded(name)) ?? [...read].find((name) => !made.has(name));
  if (different !== undefined) {
    return {
      reason: 'NameMismatch',
      message: `not loaded: the compiled policy and its text differ in the profile ${different}; please report this text`,
    };
  }
  const forbidden = policy.mode === 'Enforce' ? ['complain'] : policy.mode === 'Complain' ? ['enforce', 'kill'] : [];
  const wrong = compiled.profiles.find(({ mode }) => forbidden.includes(mode));
  if (wrong === undefined) return undefined;
  return {
    reason: 'ModeMismatch',
    message: `not loaded: spec.mode is ${policy.mode}, but ${wrong.name} was compiled for ${wrong.mode}; change the flags in the text or spec.mode`,
  };
}
