import { nameDifference } from '../policy/name-difference.ts';
import type { Failure } from './failure.ts';
import type { CompiledPolicy } from './plan.ts';
import type { WantedPolicy } from './prepared-revision.ts';

/** Nothing goes to the kernel unless it is what was read and reviewed: the same names, in the wanted mode. */
export function whatIsWrong(policy: WantedPolicy, compiled: CompiledPolicy): Failure | undefined {
  const different = nameDifference({
    read: new Set(policy.names),
    made: new Set(compiled.profiles.map(({ name }) => name)),
    hasIncludes: policy.hasIncludes,
  });
  if (different !== undefined) {
    return {
      reason: 'NameMismatch',
      message: `not loaded: the compiled policy and its text differ in the profile ${different.profile}; please report this text`,
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
