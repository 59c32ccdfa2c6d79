import { namesOwnedByOthers, type Claimant, type OwnedName } from '../../admission/review/name-owners.ts';
import { objectFinding } from '../../admission/review/verdict.ts';
import { printable } from '../../policy/printable.ts';
import { placed, type JudgedInput } from './judge-input.ts';
import type { PlacedFinding } from './report.ts';

/**
 * Names that an object of the input shares with an earlier one: what is not in a cluster yet is as old as its place in the
 * input. Objects of one name are versions of the same object; policy files are no objects.
 */
export function sharedNames(inputs: readonly JudgedInput[]): Map<JudgedInput, PlacedFinding[]> {
  const objects = inputs.filter(({ input }) => input.kind === 'object').map(claimantOf);
  const byProfile = groupByProfile(objects);
  const findings = new Map<JudgedInput, PlacedFinding[]>();
  for (const { judged, claimant } of objects) {
    const sharing = new Set((claimant.wanted?.profiles ?? []).flatMap((name) => byProfile.get(name) ?? []));
    const others = [...sharing].filter(({ judged: { object } }) => object === null || object !== judged.object);
    const owned = namesOwnedByOthers(
      claimant,
      others.map((other) => other.claimant),
    );
    if (owned.length > 0)
      findings.set(
        judged,
        owned.map((name) => findingOf(judged, name)),
      );
  }
  return findings;
}

interface ObjectClaim {
  judged: JudgedInput;
  claimant: Claimant;
}

function claimantOf(judged: JudgedInput, index: number): ObjectClaim {
  const { input, object, texts, nodeSelector } = judged;
  const profiles = judged.profiles.filter(({ parent }) => parent === undefined).map(({ name }) => name);
  const { line } = input.fieldPosition([]);
  return {
    judged,
    claimant: {
      name: `${object ?? 'without a name'} (${input.file === '-' ? 'standard input' : input.file}, line ${line})`,
      uid: String(index),
      creationTimestamp: new Date(index * 1000).toISOString(),
      heldBack: false,
      // Without texts it is refused.
      ...(texts.length === 0 ? {} : { wanted: { profiles, nodeSelector } }),
    },
  };
}

/** Of more objects that define one name only so many are compared with all others. */
const MOST_COMPARED = 100;

function groupByProfile(objects: readonly ObjectClaim[]): Map<string, ObjectClaim[]> {
  const groups = new Map<string, ObjectClaim[]>();
  for (const each of objects) {
    for (const profile of each.claimant.wanted?.profiles ?? []) {
      const group = groups.get(profile) ?? [];
      if (group.length < MOST_COMPARED) groups.set(profile, [...group, each]);
    }
  }
  return groups;
}

function findingOf({ input, profiles }: JudgedInput, { profile, owner }: OwnedName): PlacedFinding {
  const position = profiles.find(({ name }) => name === profile)?.position;
  const finding = objectFinding('name-owned', {
    field: 'policy',
    profile,
    ...(position === undefined ? {} : { position }),
    message: `the profile ${printable(profile)} belongs to AppArmorProfile ${owner}`,
    remedy: 'rename it in one of the two, or let their nodeSelectors exclude each other',
  });
  return placed(input, finding);
}
