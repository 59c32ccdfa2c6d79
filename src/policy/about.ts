import type { Fault } from './finding.ts';
import type { ScannedProfile } from './scan.ts';

/** A fault of a profile: at its name unless the fault has a place of its own. */
export function about(profile: ScannedProfile, fault: Fault): Fault {
  // The longest names are refused, but their findings must still fit into a status.
  const name = profile.name.length > LONGEST_REPORTED_NAME ? {} : { profile: profile.name };
  return { position: profile.position, ...name, ...fault };
}

const LONGEST_REPORTED_NAME = 1024;
