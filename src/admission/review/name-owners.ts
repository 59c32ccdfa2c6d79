import { compareAge, type Aged } from '../../api/age.ts';

/** An AppArmorProfile as far as names of profiles are concerned. */
export interface Claimant extends Aged {
  name: string;
  /** What its spec asks for; undefined where the review refuses the spec. */
  wanted?: Claim;
  /** What it wants will not be published as it stands: then it keeps no name from others. */
  heldBack: boolean;
  /** Its published revision in force. */
  inForce?: Claim;
}

export interface Claim {
  profiles: readonly string[];
  nodeSelector: Readonly<Record<string, string>>;
}

/** A name that one object wants and another owns. */
export interface OwnedName {
  profile: string;
  /** Name of the AppArmorProfile that owns it. */
  owner: string;
}

/**
 * The names that this object's spec defines but another owns, on some node that both may select. The owner is the one whose
 * published revision defines the name; where both have that, or neither, the older by creation time, then by uid.
 */
export function namesOwnedByOthers(claimant: Claimant, all: Iterable<Claimant>): OwnedName[] {
  const { wanted } = claimant;
  if (wanted === undefined) return [];
  const others = [...all].filter(({ uid }) => uid !== claimant.uid).sort(compareAge);
  return wanted.profiles.flatMap((profile) => {
    const owner = others.find((other) => owns(other, claimant, profile, wanted.nodeSelector));
    return owner === undefined ? [] : [{ profile, owner: owner.name }];
  });
}

function owns(other: Claimant, claimant: Claimant, profile: string, selector: Claim['nodeSelector']): boolean {
  const meets = (claim: Claim | undefined): boolean =>
    claim?.profiles.includes(profile) === true && !contradict(claim.nodeSelector, selector);
  if (meets(other.inForce)) {
    return claimant.inForce?.profiles.includes(profile) !== true || compareAge(other, claimant) < 0;
  }
  if (other.heldBack || !meets(other.wanted)) return false;
  return claimant.inForce?.profiles.includes(profile) !== true && compareAge(other, claimant) < 0;
}

/** No node has two values of one label, so none can be selected by both. */
function contradict(left: Claim['nodeSelector'], right: Claim['nodeSelector']): boolean {
  return Object.entries(left).some(([key, value]) => right[key] !== undefined && right[key] !== value);
}
