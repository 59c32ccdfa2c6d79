import { createHash } from 'node:crypto';
import type { KernelProfile } from '../../../src/kernel/apparmor.ts';
import { EMPTY_LEDGER, loadId, rootsOfLoad, withIntents, withLoaded } from '../../../src/agent/ledger.ts';
import type { Correction, Ledger, LedgerLoad, Origin } from '../../../src/agent/ledger.ts';
import type { CompiledPolicy, PlanInput } from '../../../src/agent/plan.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import type { UnloadKnowledge } from '../../../src/agent/removals.ts';
import type { RevisionHead } from '../../../src/agent/revision-content.ts';
import type { RevisionContent } from '../../../src/api/revision.ts';
import { revisionHash, revisionName } from '../../../src/api/revision.ts';
import { compiledPolicy } from '../kernel/compiled-policy.ts';

export const BOOT = 'boot-1';

/** A policy of the object `name` that defines one profile of that name, unless changed. */
export function wanted(name: string, change: Partial<WantedPolicy> = {}): WantedPolicy {
  const revision = change.revision ?? `${name}-r1`;
  return {
    object: { uid: `uid-${name}`, name, creationTimestamp: '2030-01-01T00:00:00Z' },
    revision,
    text: `${name}-${revision}`,
    profiles: [name],
    names: [name],
    hasIncludes: false,
    conflictPolicy: 'Refuse',
    fingerprint: `fp-${revision}`,
    environment: 'env',
    ...change,
  };
}

export function binaryOf(policy: WantedPolicy): Buffer {
  return compiledPolicy(
    policy.names.map((name) => ({ name })),
    policy.fingerprint,
  );
}

export function hashesOf(binary: Buffer): { sha256: string; sha1: string } {
  return { sha256: sha256(binary), sha1: createHash('sha1').update(binary).digest('hex') };
}

export function sha256(binary: Buffer): string {
  return createHash('sha256').update(binary).digest('hex');
}

export function compiledOf(policy: WantedPolicy): CompiledPolicy {
  const profiles = policy.names.map((name) => ({ name, mode: 'enforce' }));
  const binary = binaryOf(policy);
  return { ...hashesOf(binary), profiles };
}

export function loadOf(policy: WantedPolicy): LedgerLoad {
  const compiled = compiledOf(policy);
  const { object, revision, text, fingerprint, environment } = policy;
  const id = loadId(revision, compiled.sha256);
  return { id, object: object.uid, revision, text, fingerprint, environment, ...compiled };
}

/** The kernel's entries after these policies were loaded. */
export function heldBy(...policies: readonly WantedPolicy[]): KernelProfile[] {
  return policies.flatMap((policy) => {
    const { sha256: rawSha256, profiles } = compiledOf(policy);
    return profiles.map((profile) => ({ ...profile, rawSha256 }));
  });
}

/** The ledger after these policies were loaded, one after the other. */
export function ledgerOf(...policies: readonly WantedPolicy[]): Ledger {
  return policies.reduce((ledger, policy) => recorded(ledger, policy), EMPTY_LEDGER);
}

export function recorded(ledger: Ledger, policy: WantedPolicy, bootID = BOOT, origin: Origin = 'created'): Ledger {
  return completed(intended(ledger, policy, bootID, origin), policy, { bootID });
}

export function completed(
  ledger: Ledger,
  policy: WantedPolicy,
  { bootID = BOOT, corrections = new Map<string, Correction>() } = {},
): Ledger {
  return withLoaded(ledger, [{ load: loadOf(policy), corrections }], bootID);
}

export function intended(ledger: Ledger, policy: WantedPolicy, bootID = BOOT, origin: Origin = 'created'): Ledger {
  const load = loadOf(policy);
  const origins = new Map(rootsOfLoad(load).map((name) => [name, origin]));
  const { name, creationTimestamp } = policy.object;
  return withIntents(ledger, [{ load, object: { name, creationTimestamp }, origins }], bootID);
}

/** What a node with these policies is asked to do: all compiled, nothing loaded, unless changed. */
export function planInput(policies: readonly WantedPolicy[], change: Partial<PlanInput> = {}): PlanInput {
  return {
    wanted: policies,
    living: new Map(
      policies.map(({ object: { uid, name }, profiles }) => [uid, { uid, name, profiles: new Set(profiles) }]),
    ),
    kernel: [],
    ledger: EMPTY_LEDGER,
    bootID: BOOT,
    compiled: new Map(policies.map((policy) => [policy.fingerprint, compiledOf(policy)])),
    failures: new Map(),
    isSlow: () => false,
    unload: NOTHING_GRANTED,
    now: 1_000,
    ...change,
  };
}

export const NOTHING_GRANTED: UnloadKnowledge = {
  allowed: true,
  grants: [],
  date: Date.UTC(2030, 0, 1),
  since: new Map(),
  uses: new Map(),
  failures: new Map(),
};

export function policyText(...names: readonly string[]): string {
  return names.map((name) => `profile ${name} {\n  file,\n}\n`).join('');
}

export function content(name: string, change: Partial<RevisionContent> = {}): RevisionContent {
  return {
    object: { name, uid: `uid-${name}`, creationTimestamp: '2030-01-01T00:00:00Z' },
    policy: policyText(name),
    profiles: [name],
    conflictPolicy: 'Refuse',
    ...change,
  };
}

export function headOf(of: RevisionContent, sequence = 1): RevisionHead {
  const hash = revisionHash(of);
  const { uid, name } = of.object;
  return { name: revisionName(name, hash), objectUid: uid, object: name, hash, sequence };
}
