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
  /** The first rule of its own that allows access to files, or to execute them. */
  firstFileRule?: Position;
  /** Its own rule `all,`, which allows everything. */
  allowsAll?: Position;
  /** Its own rules, in the order of the text. */
  signalRules: readonly ScannedSignalRule[];
}

export interface ScannedSignalRule {
  position: Position;
  denied: boolean;
  /** Whether it is about receiving signals, perhaps besides sending them. */
  receives: boolean;
  /** Names of signals as in `set=( … )`; absent: all of them. */
  signals?: readonly string[];
  /** Pattern of the label at the other end, as in `peer=…`; absent: any. */
  peer?: string;
}

export interface ScannedInclude {
  path: string;
  form: PathForm;
  ifExists: boolean;
  /** Kernel name of the profile it stands in; absent outside of profiles. */
  profile?: string;
  position: Position;
}

/** What `abi` names: the parser opens it like an include. */
export interface ScannedAbi {
  path: string;
  form: PathForm;
  /** As of an include. The parser goes by an abi outside of profiles alone. */
  profile?: string;
  position: Position;
}

/** `<path>`, `"path"` or `path`. */
export type PathForm = 'magic' | 'quoted' | 'bare';

/** `@{NAME} = …` or, if `boolean`, `${NAME} = …`. */
export interface ScannedVariable {
  /** Without `@`, `$` and braces. */
  name: string;
  kind: 'set' | 'boolean';
  operator: '=' | '+=';
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
  /** Each place that gives a variable values, in the order of the text. */
  variables: readonly ScannedVariable[];
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
