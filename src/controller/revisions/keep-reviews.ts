import { BACKGROUND, type TrialBudget, type TrialCompiler } from '../../admission/review/trial.ts';
import { policyTexts, type Accepted } from '../../admission/review/verdict.ts';
import type { Clock } from '../../kube/clock.ts';
import type { Logger } from '../../log.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import type { ReviewState } from './review-state.ts';

/** Has the texts of accepted specs compiled on trial; remembers the results for one term of leadership. */
export interface ReviewsKeeper {
  /** One trial with the time of a review. Throws what should be tried again. */
  review(name: string, signal: AbortSignal): Promise<void>;
  /** One trial of what did not end in that time; to be called for one object at a time. Throws likewise. */
  reviewSlowly(name: string, signal: AbortSignal): Promise<void>;
  /** Of the spec that the cache has; undefined: not begun. */
  state(profile: ProfileView): TrialState | undefined;
  forget(name: string): void;
}

export type TrialState = Exclude<ReviewState, { kind: 'conflict' }>;

export interface ReviewParts {
  trial: TrialCompiler;
  /** Of the first trial. */
  budget: TrialBudget;
  clock: Clock;
  logger: Logger;
  profile(name: string): ProfileView | undefined;
  /** The object's texts; undefined if it is no longer the one that the cache has. */
  read(profile: ProfileView, signal: AbortSignal): Promise<Accepted | undefined>;
  onState(name: string): void;
  /** It is the turn of `reviewSlowly`. */
  onSlow(name: string): void;
}

export class ReviewPostponedError extends Error {
  override readonly name = 'ReviewPostponedError';
}

export function createReviewsKeeper(parts: ReviewParts): ReviewsKeeper {
  const states = new Map<string, { uid: string; hash: string; state: TrialState }>();

  function state(profile: ProfileView): TrialState | undefined {
    const kept = states.get(profile.name);
    const isOfThis =
      kept?.uid === profile.uid && profile.verdict.kind === 'accepted' && kept.hash === profile.verdict.hash;
    return isOfThis ? kept.state : undefined;
  }

  function set(profile: ProfileView, hash: string, next: TrialState): void {
    states.set(profile.name, { uid: profile.uid, hash, state: next });
    parts.onState(profile.name);
  }

  async function run(name: string, budget: TrialBudget, signal: AbortSignal): Promise<void> {
    const profile = parts.profile(name);
    if (profile === undefined || profile.deleting || profile.verdict.kind === 'refused') return;
    const { hash } = profile.verdict;
    const before = state(profile);
    if (before?.kind === 'passed' || before?.kind === 'refused') return;
    if (before === undefined) set(profile, hash, { kind: 'compiling', slow: false, sinceMs: parts.clock.now() });

    const accepted = await parts.read(profile, signal);
    if (accepted === undefined) {
      states.delete(name);
      return;
    }
    const { content } = accepted;
    const mode = content.mode === undefined ? {} : { mode: content.mode };
    const outcome = await parts.trial.try({ texts: policyTexts(content), ...mode }, budget, signal);
    if (signal.aborted) return;
    switch (outcome.kind) {
      case 'passed':
        set(profile, hash, { kind: 'passed' });
        return;
      case 'refused':
        parts.logger.warn('a policy does not compile and is not published', {
          object: name,
          generation: profile.generation,
          problems: outcome.errors.map(({ rule, field, message, position }) => ({ rule, field, message, ...position })),
        });
        set(profile, hash, { kind: 'refused', errors: outcome.errors });
        return;
      case 'unfinished':
        if (outcome.why === 'busy') throw new ReviewPostponedError('too many texts wait to be compiled on trial');
        set(profile, hash, { kind: 'compiling', slow: true, sinceMs: parts.clock.now() });
        parts.onSlow(name);
        return;
      case 'unavailable':
        set(profile, hash, { kind: 'unavailable', message: outcome.message });
        throw new ReviewPostponedError(`nothing can be compiled on trial: ${outcome.message}`);
    }
  }

  return {
    review: (name, signal) => run(name, parts.budget, signal),
    reviewSlowly: (name, signal) => run(name, BACKGROUND, signal),
    state,
    forget(name) {
      states.delete(name);
    },
  };
}
