import { rootOf } from '../kernel/profile-name.ts';
import { decodeStateFile, encodeStateFile, StateFileError } from './state-file.ts';

/**
 * What this agent did to the node's kernel. Written and fsynced before a load (intent) and after it was verified (loaded).
 * Only what was created by us may ever be removed.
 */
export interface Ledger {
  /** By the AppArmorProfile's uid. */
  objects: ReadonlyMap<string, LedgerObject>;
  /** By `LedgerLoad.id`; those that rows or objects still refer to. */
  loads: ReadonlyMap<string, LedgerLoad>;
  /** By the name of the top-level profile; children belong to their parent's row. */
  rows: ReadonlyMap<string, LedgerRow>;
}

export interface LedgerObject {
  name: string;
  creationTimestamp: string;
  /** The load that was verified last: what is put back while a newer revision cannot be loaded. */
  lastGood?: string;
}

/** One compiled policy, with what made it. */
export interface LedgerLoad {
  id: string;
  /** uid of the AppArmorProfile. */
  object: string;
  /** Short hash of the revision. */
  revision: string;
  /** Name of the ControllerRevision that holds the text. */
  text: string;
  /** Hash of text, mode and environment; names the compiled policy's file. */
  fingerprint: string;
  /** Hash of the kernel's features, the parser and the abstractions. */
  environment: string;
  /** Hex SHA-256 of the compiled policy, which the kernel shows as raw_sha256. */
  sha256: string;
  /** Hex SHA-1 of the same, for kernels before 6.8, which show raw_sha1. */
  sha1: string;
  /** Every profile in it, children included, with the mode that the kernel must show. */
  profiles: readonly LoadedProfile[];
  warning?: CompileWarning;
}

/** What the compiler said of a policy that it compiled, such as rules that the node's kernel cannot mediate. */
export interface CompileWarning {
  /** At most 256 bytes. */
  message: string;
  /** In the user's text. */
  line?: number;
}

export interface LoadedProfile {
  name: string;
  mode: string;
}

/** created: the name was free. adopted: the kernel held just this. takenOver: replaced, by `conflictPolicy: Replace`. */
export type Origin = 'created' | 'adopted' | 'takenOver';

export interface LedgerRow {
  /** uid of the AppArmorProfile that owns the name on this node. */
  object: string;
  origin: Origin;
  intent?: LedgerMark;
  loaded?: LedgerMark;
  /** RFC 3339; when the profile came back after it had been unloaded behind our back in this boot. */
  loadedSince?: string;
  /** The last time that it was put right in the boot of `loaded`. */
  corrected?: Correction;
  /** The boot in which its removal was begun: if the kernel does not hold it, that was us. */
  unloading?: string;
}

export interface Correction {
  what: 'Unloaded' | 'Replaced' | 'ModeChanged' | 'TakenOver';
  /** RFC 3339; when it was put right. */
  time: string;
}

export interface LedgerMark {
  load: string;
  /** What happened in another boot says nothing about this kernel. */
  bootID: string;
}

export const EMPTY_LEDGER: Ledger = { objects: new Map(), loads: new Map(), rows: new Map() };

export function loadId(revision: string, sha256: string): string {
  return `${revision}.${sha256}`;
}

export function rootsOf(names: Iterable<string>): readonly string[] {
  return [...new Set([...names].map(rootOf))];
}

export function rootsOfLoad(load: LedgerLoad): readonly string[] {
  return rootsOf(load.profiles.map(({ name }) => name));
}

export interface LoadIntent {
  load: LedgerLoad;
  object: { name: string; creationTimestamp: string };
  /** By top-level name. */
  origins: ReadonlyMap<string, Origin>;
}

/** The ledger with the intent to load; to be on disk before the kernel is written to. */
export function withIntents(ledger: Ledger, intents: readonly LoadIntent[], bootID: string): Ledger {
  const rows = new Map(ledger.rows);
  const objects = new Map(ledger.objects);
  const loads = new Map(ledger.loads);
  for (const { load, object, origins } of intents) {
    for (const name of rootsOfLoad(load)) {
      const before = rows.get(name);
      rows.set(name, {
        ...before,
        object: load.object,
        origin: origins.get(name) ?? before?.origin ?? 'adopted',
        intent: { load: load.id, bootID },
      });
    }
    objects.set(load.object, { ...objects.get(load.object), ...object });
    loads.set(load.id, load);
  }
  return { objects, rows, loads };
}

export interface Loaded {
  load: LedgerLoad;
  /** Has the top-level names that were put right by it. */
  corrections: ReadonlyMap<string, Correction>;
}

/** The ledger after the kernel was asked and holds the loads. */
export function withLoaded(ledger: Ledger, loaded: readonly Loaded[], bootID: string): Ledger {
  const rows = new Map(ledger.rows);
  const objects = new Map(ledger.objects);
  for (const { load, corrections } of loaded) {
    for (const name of rootsOfLoad(load)) {
      const before = rows.get(name);
      if (before === undefined) continue;
      const known = before.loaded?.bootID === bootID ? before : undefined;
      const correction = corrections.get(name);
      const corrected = correction ?? known?.corrected;
      const loadedSince = correction?.what === 'Unloaded' ? correction.time : known?.loadedSince;
      rows.set(name, {
        object: before.object,
        origin: before.origin,
        loaded: { load: load.id, bootID },
        ...(loadedSince === undefined ? {} : { loadedSince }),
        ...(corrected === undefined ? {} : { corrected }),
      });
    }
    const object = objects.get(load.object);
    if (object !== undefined) objects.set(load.object, { ...object, lastGood: load.id });
  }
  return prune({ objects, rows, loads: ledger.loads });
}

/** The ledger after the kernel refused a load: what was loaded before still is. */
export function withoutIntent(ledger: Ledger, load: LedgerLoad): Ledger {
  const rows = new Map(ledger.rows);
  for (const name of rootsOfLoad(load)) {
    const before = rows.get(name);
    if (before?.intent?.load !== load.id) continue;
    const { intent: _, ...row } = before;
    if (row.loaded === undefined) rows.delete(name);
    else rows.set(name, row);
  }
  return prune({ ...ledger, rows });
}

/** The ledger with the intent to remove a profile from the kernel; to be on disk before that. */
export function withUnloading(ledger: Ledger, name: string, bootID: string): Ledger {
  const row = ledger.rows.get(name);
  return row === undefined
    ? ledger
    : { ...ledger, rows: new Map(ledger.rows).set(name, { ...row, unloading: bootID }) };
}

/** The ledger without rows of profiles that are neither wanted nor in the kernel. */
export function withoutRows(ledger: Ledger, names: readonly string[]): Ledger {
  const rows = new Map(ledger.rows);
  for (const name of names) rows.delete(name);
  return prune({ ...ledger, rows });
}

function prune({ objects, loads, rows }: Ledger): Ledger {
  const owners = new Set([...rows.values()].map(({ object }) => object));
  const keptObjects = new Map([...objects].filter(([uid]) => owners.has(uid)));
  const used = new Set<string | undefined>();
  for (const { intent, loaded } of rows.values()) used.add(intent?.load).add(loaded?.load);
  for (const { lastGood } of keptObjects.values()) used.add(lastGood);
  return { rows, objects: keptObjects, loads: new Map([...loads].filter(([id]) => used.has(id))) };
}

export function encodeLedger(ledger: Ledger, node: string): string {
  return encodeStateFile('ledger', node, {
    objects: [...ledger.objects],
    loads: [...ledger.loads.values()],
    rows: [...ledger.rows],
  });
}

/** Throws StateFileError for a file that is not a whole ledger of this node, or whose parts do not fit together. */
export function decodeLedger(text: string, node: string): Ledger {
  // The checksum shows that the body is as an agent of this format version wrote it, so its form is not checked again.
  const body = decodeStateFile('ledger', node, text) as {
    objects: [string, LedgerObject][];
    loads: LedgerLoad[];
    rows: [string, LedgerRow][];
  };
  const ledger: Ledger = {
    objects: new Map(body.objects),
    loads: new Map(body.loads.map((load) => [load.id, load])),
    rows: new Map(body.rows),
  };
  for (const [name, row] of ledger.rows) {
    const marks = [row.intent, row.loaded].filter((mark) => mark !== undefined);
    if (!ledger.objects.has(row.object) || marks.some(({ load }) => !ledger.loads.has(load))) {
      throw new StateFileError(`the row of ${name} refers to what is not there`);
    }
  }
  return ledger;
}
