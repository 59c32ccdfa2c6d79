import type { AppArmorNodeSpecUnload, AppArmorNodeStatusProblem } from '../../../../src/api/generated/index.ts';
import { HASH } from '../objects.ts';

/** What nobody wants any more and the agent could remove. */
export function unwanted(change: Partial<AppArmorNodeStatusProblem> = {}): AppArmorNodeStatusProblem {
  return {
    object: 'web',
    profile: 'web',
    revision: HASH,
    state: 'Retained',
    reason: 'NoLongerWanted',
    message: 'waits for the controller',
    ...change,
  };
}

export const NOW = Date.UTC(2030, 0, 1);

export function grant(seconds: number, profile = 'web', revision = HASH): AppArmorNodeSpecUnload {
  return { profile, revision, expires: new Date(NOW + seconds * 1000).toISOString().replace('.000Z', 'Z') };
}
