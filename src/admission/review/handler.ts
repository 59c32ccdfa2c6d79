import type { AppArmorProfile } from '../../api/generated/index.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { Logger } from '../../log.ts';
import { printable } from '../../policy/printable.ts';
import type { AdmissionAnswer, AdmissionHandler, AdmissionRequest } from '../admission-review.ts';
import { refusalMessage, warningLines } from './answer-text.ts';
import { namesOwnedByOthers, type Claim, type Claimant } from './name-owners.ts';
import type { PodsInUse } from './pods-in-use.ts';
import type { TrialBudget, TrialCompiler } from './trial.ts';
import { judge, objectFinding, policyTexts, type TextFinding, type Verdict } from './verdict.ts';

export interface ReviewHandlerParts {
  trial: TrialCompiler;
  budget: TrialBudget;
  /** Every object that exists. */
  claimants(): Iterable<Claimant>;
  /** What nodes should hold of an object now. */
  inForce(objectUid: string): Claim | undefined;
  /** Pods that name one of these profiles. Does not reject. */
  podsUsing(profiles: readonly string[], signal: AbortSignal): Promise<PodsInUse>;
  logger: Logger;
}

/**
 * Reviews AppArmorProfiles as they are created, changed and deleted; changes nothing, so a dry run is the same. The controller
 * repeats the review before it publishes, so an answer that was never given costs nothing but the early word.
 */
export function createProfileReviewHandler(parts: ReviewHandlerParts): AdmissionHandler {
  return async (request, signal) => {
    const [object, old] = [profileIn(request.object), profileIn(request.oldObject)];
    if (request.operation === 'DELETE') return accepted(await inUse(namesOf(old, parts), 'delete', parts, signal));
    if (object === undefined || isToBeLeftAlone(object, old)) return accepted([]);
    return review(object, old, request, parts, signal);
  };
}

async function review(
  object: AppArmorProfile,
  old: AppArmorProfile | undefined,
  request: AdmissionRequest,
  parts: ReviewHandlerParts,
  signal: AbortSignal,
): Promise<AdmissionAnswer> {
  const verdict = judge(object);
  const errors = verdict.kind === 'refused' ? [...verdict.errors] : ownedNames(object, verdict.content.profiles, parts);
  const warnings = [...verdict.warnings];
  if (verdict.kind === 'accepted' && errors.length === 0) {
    const dropped = namesOf(old, parts).filter((name) => !verdict.content.profiles.includes(name));
    const more = await Promise.all([compileOnTrial(verdict, parts, signal), inUse(dropped, 'rename', parts, signal)]);
    errors.push(...more.flat().filter(({ severity }) => severity === 'error'));
    warnings.push(...more.flat().filter(({ severity }) => severity === 'warning'));
  }
  if (errors.length > 0) {
    parts.logger.info('refused an AppArmorProfile', {
      object: object.metadata.name,
      operation: request.operation,
      user: request.userInfo.username,
      rules: errors.map(({ rule }) => rule),
    });
    return {
      allowed: false,
      code: 422,
      reason: 'Invalid',
      message: refusalMessage(errors),
      warnings: warningLines(warnings),
    };
  }
  return accepted(warnings);
}

/**
 * Whatever does not change the spec must pass, or a stored object that newer rules refuse could neither be labelled nor lose a
 * finalizer; an object that is being deleted is past caring.
 */
function isToBeLeftAlone(object: AppArmorProfile, old: AppArmorProfile | undefined): boolean {
  if (object.metadata.deletionTimestamp !== undefined) return true;
  return old !== undefined && canonicalJson(object.spec) === canonicalJson(old.spec);
}

function ownedNames(
  { metadata, spec }: AppArmorProfile,
  profiles: readonly string[],
  parts: ReviewHandlerParts,
): TextFinding[] {
  const uid = metadata.uid ?? '';
  const inForce = parts.inForce(uid);
  const claimant: Claimant = {
    name: metadata.name,
    uid,
    creationTimestamp: metadata.creationTimestamp ?? LAST,
    heldBack: false,
    wanted: { profiles, nodeSelector: spec.nodeSelector ?? {} },
    ...(inForce === undefined ? {} : { inForce }),
  };
  return namesOwnedByOthers(claimant, parts.claimants()).map(({ profile, owner }) =>
    objectFinding('name-owned', {
      field: 'policy',
      profile,
      message: `the profile ${printable(profile)} belongs to AppArmorProfile ${owner}`,
      remedy: 'rename it in one of the two, delete one object, or let their nodeSelectors exclude each other',
    }),
  );
}

/** An object that has no time yet is younger than every other. */
const LAST = '9999-12-31T23:59:59Z';

async function compileOnTrial(
  { content }: Extract<Verdict, { kind: 'accepted' }>,
  { trial, budget, logger }: ReviewHandlerParts,
  signal: AbortSignal,
): Promise<readonly TextFinding[]> {
  const request = { texts: policyTexts(content), ...(content.mode === undefined ? {} : { mode: content.mode }) };
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(budget.limits.wallClockMs)]);
  const outcome = await trial.try(request, budget, deadline);
  if (outcome.kind === 'passed') return [];
  if (outcome.kind === 'refused') return outcome.errors;
  if (outcome.kind === 'unavailable') {
    logger.error('a policy cannot be compiled on trial', { problem: outcome.message });
    return [
      objectFinding('compile-skipped', {
        field: 'policy',
        message: 'not compiled, as the controller cannot run apparmor_parser; published only once it can',
        remedy: 'see the controller’s log',
      }),
    ];
  }
  return [
    objectFinding('compile-unfinished', {
      field: 'policy',
      message: `not compiled within ${budget.limits.wallClockMs / 1000} s; compiled on, and published only if it compiles`,
      remedy: 'watch the condition Ready',
    }),
  ];
}

/** Names that the object defines, by its spec and by what is in force. */
function namesOf(object: AppArmorProfile | undefined, parts: ReviewHandlerParts): readonly string[] {
  if (object === undefined) return [];
  const verdict = judge(object);
  const wanted = verdict.kind === 'accepted' ? verdict.content.profiles : [];
  return [...new Set([...wanted, ...(parts.inForce(object.metadata.uid)?.profiles ?? [])])];
}

async function inUse(
  profiles: readonly string[],
  what: 'delete' | 'rename',
  parts: ReviewHandlerParts,
  signal: AbortSignal,
): Promise<readonly TextFinding[]> {
  if (profiles.length === 0) return [];
  const { pods, complete } = await parts.podsUsing(profiles, signal);
  if (pods === 0) return [];
  const count = `${complete ? '' : 'at least '}${pods} ${pods === 1 ? 'pod still names' : 'pods still name'}`;
  const names = profiles.length === 1 ? printable(profiles[0] ?? '') : `${profiles.length} profiles of it`;
  return [
    objectFinding('profile-in-use', {
      field: 'policy',
      message: `${count} ${names}, which ${what === 'delete' ? 'no object defines then' : 'the new text lacks'}`,
      remedy: 'they keep running confined; new ones may not start',
    }),
  ];
}

function accepted(warnings: readonly TextFinding[]): AdmissionAnswer {
  return { allowed: true, warnings: warningLines(warnings) };
}

/** The API server has checked it against the schema; at DELETE there is no object. */
function profileIn(value: unknown): AppArmorProfile | undefined {
  return (value ?? undefined) as AppArmorProfile | undefined;
}
