import type { Position } from './position.ts';

export interface ScannedProfile {
  /** As the kernel shows it: `parent//child` for children and hats. */
  name: string;
  /** Kernel name of the profile it stands in. */
  parent?: string;
  kind: 'profile' | 'hat';
  /** As written; absent where only the name can attach. */
  attachment?: string;
  flags: readonly string[];
  position: Position;
  /** The first rule of its own (not of an include) that begins with `deny`. */
  firstDeny?: Position;
}

export interface ScannedInclude {
  path: string;
  form: 'magic' | 'quoted' | 'bare';
  ifExists: boolean;
  position: Position;
}

/** What `abi` names: the parser opens it like an include. */
export interface ScannedAbi {
  path: string;
  form: 'magic' | 'quoted' | 'bare';
  position: Position;
}

export interface ScanProblem {
  message: string;
  position: Position;
}

export interface PolicyScan {
  profiles: readonly ScannedProfile[];
  includes: readonly ScannedInclude[];
  abis: readonly ScannedAbi[];
  /** What could not be read. The scan ends at the first one, as the parser does: what follows it is not known. */
  problems: readonly ScanProblem[];
}

/** Where the scan ends; it becomes a {@link ScanProblem}. */
export class UnreadablePolicy extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}
