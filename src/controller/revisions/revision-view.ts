import { POD_RULE_ANNOTATION, ruleOnRevision } from '../../admission/pods/published-rule.ts';
import type { PodRule } from '../../admission/pods/rule.ts';
import type { AppArmorProfileStatusMode } from '../../api/generated/index.ts';
import { ANNOTATION, LABEL } from '../../api/names.ts';
import type { OwnerReference } from '../../api/resources.ts';
import type { RevisionContent } from '../../api/revision.ts';
import { rootOf } from '../../kernel/profile-name.ts';
import type { NewMeta } from '../new-meta.ts';
import { reviewPolicy, type ProfileMode } from '../../policy/rules.ts';

/** apps/v1 ControllerRevision as it travels; client-node's type has `Date` where JSON has strings. */
export interface ControllerRevision {
  apiVersion?: string;
  kind?: string;
  metadata: NewMeta;
  data?: RevisionContent;
  revision: number;
}

/** What the controller's cache keeps of a ControllerRevision: everything but the policy texts. */
export interface RevisionView {
  name: string;
  uid: string;
  resourceVersion: string;
  deleting: boolean;
  objectUid: string;
  objectName: string;
  hash: string;
  /** The highest of an object's revisions is the one in force. */
  sequence: number;
  owners: readonly OwnerReference[];
  profiles: readonly string[];
  mode: AppArmorProfileStatusMode;
  /** Those of `profiles` in whose mode, or that of a child, nothing is refused. */
  unenforced: readonly string[];
  nodeSelector: Readonly<Record<string, string>>;
  /** The annotation with the pod rule, as it stands there. */
  podRuleText?: string;
  podRule?: PodRule;
}

export function viewRevision(revision: ControllerRevision): RevisionView {
  const { metadata, data } = revision;
  const podRuleText = metadata.annotations?.[POD_RULE_ANNOTATION];
  const podRule = ruleOnRevision(metadata);
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    deleting: metadata.deletionTimestamp !== undefined,
    objectUid: metadata.labels?.[LABEL.objectUid] ?? '',
    objectName: metadata.annotations?.[ANNOTATION.object] ?? '',
    hash: metadata.annotations?.[ANNOTATION.revisionHash] ?? '',
    sequence: sequenceOf(metadata),
    owners: metadata.ownerReferences ?? [],
    profiles: data?.profiles ?? [],
    ...(data === undefined ? { mode: 'Enforce', unenforced: [] } : loadedModes(data)),
    nodeSelector: data?.nodeSelector ?? {},
    ...(podRuleText === undefined ? {} : { podRuleText }),
    ...(podRule === undefined ? {} : { podRule }),
  };
}

/**
 * The revision that nodes should hold: the one with the highest sequence, as the agents choose it. One that is being deleted is
 * none.
 */
export function revisionInForce(revisions: readonly RevisionView[]): RevisionView | undefined {
  return revisions
    .filter(({ deleting }) => !deleting)
    .reduce<RevisionView | undefined>(
      (best, revision) => (best === undefined || revision.sequence > best.sequence ? revision : best),
      undefined,
    );
}

/** A missing or spoilt annotation counts as 0: anything that was published properly goes before it. */
function sequenceOf(metadata: NewMeta): number {
  const sequence = Number(metadata.annotations?.[ANNOTATION.sequence] ?? '0');
  return Number.isSafeInteger(sequence) ? sequence : 0;
}

const MODE_NAMES = {
  enforce: 'Enforce',
  complain: 'Complain',
  kill: 'Kill',
  unconfined: 'Unconfined',
  user: 'User',
  mixed: 'Mixed',
} as const satisfies Record<ProfileMode, AppArmorProfileStatusMode>;

/** The mode in which nodes load the profiles, children included; Mixed where they differ. */
function loadedModes(content: RevisionContent): Pick<RevisionView, 'mode' | 'unenforced'> {
  const texts = [content.policy, ...(content.variants ?? []).map(({ policy }) => policy)];
  const profiles = texts.flatMap(
    (text) =>
      reviewPolicy({
        text,
        allowHostAttachment: true,
        ...(content.mode === undefined ? {} : { mode: content.mode }),
      }).allProfiles,
  );
  const modes = new Set(profiles.map(({ mode }) => mode));
  const [first = 'enforce'] = modes;
  const unenforced = new Set(profiles.flatMap(({ name, mode }) => (REFUSES.has(mode) ? [] : [rootOf(name)])));
  return { mode: modes.size > 1 ? 'Mixed' : MODE_NAMES[first], unenforced: [...unenforced] };
}

const REFUSES: ReadonlySet<ProfileMode> = new Set(['enforce', 'kill']);
