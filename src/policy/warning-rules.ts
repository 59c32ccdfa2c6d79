import { about } from './about.ts';
import { rulesOfInclude } from './abstractions.ts';
import { modeOf, type Rule, type Subject } from './finding.ts';
import { positionsOf } from './position.ts';
import { printable } from './printable.ts';
import type { PolicyScan, ScannedInclude, ScannedProfile } from './scan.ts';
import { RUNTIME_LABELS, runtimesThatSignal } from './runtime-signals.ts';
import { findTemplateText } from './template-text.ts';

/** What is accepted and said to the author. */
export const WARNING_RULES: readonly Rule[] = [
  {
    id: 'unrendered-template',
    severity: 'warning',
    reason: 'Policies are never templated here; what a template engine should have replaced is taken literally.',
    *check({ text, tooLarge }) {
      const found = tooLarge ? undefined : findTemplateText(text);
      if (found === undefined) return;
      yield {
        message: `${printable(found.template)} looks like unrendered template text`,
        remedy: 'render the template before applying the policy',
        position: positionsOf(text)(found.at),
      };
    },
  },
  {
    id: 'no-abi',
    severity: 'warning',
    reason:
      'Without an `abi` line a policy means all that the kernel of the node mediates, so each newer kernel refuses more.',
    *check({ scan }) {
      // Those inside of profiles do not count for the parser either.
      if (!isWhole(scan) || scan.abis.some(({ profile }) => profile === undefined)) return;
      yield {
        message: 'the policy has no abi line, so what it refuses depends on the kernel of each node',
        remedy: "begin it with the abi that it was written for, as 'abi <abi/3.0>,' or 'abi <abi/4.0>,'",
      };
    },
  },
  {
    id: 'relative-include',
    severity: 'warning',
    reason: 'Without `<…>` the parser looks beside the policy, where no other file is: such an include brings nothing.',
    *check({ scan }) {
      for (const { path, form, position } of [...scan.includes, ...scan.abis]) {
        if (form === 'magic' || path.startsWith('/')) continue;
        yield {
          message: `${printable(path)} without <…> is looked for beside the policy, where no other file is`,
          remedy: 'put the path in angle brackets, as <abstractions/base>',
          position,
        };
      }
    },
  },
  {
    id: 'no-file-rule',
    severity: 'warning',
    reason: 'A program whose profile allows no file at all cannot even load its libraries: containers do not start.',
    *check(subject) {
      for (const { profile, includes } of confining(subject)) {
        if (profile.firstFileRule !== undefined || profile.allowsAll !== undefined) continue;
        if (includes.some((include) => rulesOfInclude(include).allowsFiles)) continue;
        yield about(profile, {
          message: `no rule of profile ${printable(profile.name)} allows reading or executing any file`,
          remedy:
            "add file rules, as 'file,' for all files or '/usr/bin/** rix,'; abstractions/base brings the libraries",
        });
      }
    },
  },
  {
    id: 'no-signal-rule',
    severity: 'warning',
    reason:
      'The runtime stops a container by a signal, sent as unconfined or, where the node confines it, as runc or crun: if the profile refuses it, pods stay Terminating.',
    *check(subject) {
      for (const { profile, includes } of confining(subject)) {
        const able = runtimesThatSignal(profile, includes);
        const unable = RUNTIME_LABELS.filter((label) => !able.has(label));
        if (unable.length === 0) continue;
        const from = unable.length === 1 ? unable.join() : `{${unable.join(',')}}`;
        yield about(profile, {
          message: `profile ${printable(profile.name)} refuses signals from the container runtime where that runs as ${unable.join(' or ')}: its pods stay Terminating there`,
          remedy: `add 'signal (receive) peer=${from},'`,
        });
      }
    },
  },
  {
    id: 'deny-in-complain',
    severity: 'warning',
    reason:
      'Complain mode logs what would be refused, except that explicit deny rules still refuse, without a log line.',
    *check({ scan, mode }) {
      const includesOf = includesByProfile(scan);
      for (const profile of scan.profiles) {
        if (modeOf(profile, mode) !== 'complain') continue;
        const include = includesOf.get(profile.name)?.find((include) => rulesOfInclude(include).denies);
        const position = profile.firstDeny ?? include?.position;
        if (position === undefined) continue;
        const whose = profile.firstDeny === undefined ? ` that ${printable(include?.path ?? '')} brings` : '';
        yield about(profile, {
          message: `the deny rules of profile ${printable(profile.name)}${whose} are enforced in complain mode too`,
          remedy: 'leave them out while the policy is being tried',
          position,
        });
      }
    },
  },
];

interface ConfiningProfile {
  profile: ScannedProfile;
  includes: readonly ScannedInclude[];
}

/** Profiles that a pod can be given and that refuse what they do not allow. Of a text that breaks off, none is known whole. */
function* confining({ scan, mode }: Subject): Iterable<ConfiningProfile> {
  if (!isWhole(scan)) return;
  const includesOf = includesByProfile(scan);
  for (const profile of scan.profiles) {
    const isRefusing = ['enforce', 'kill', 'user'].includes(modeOf(profile, mode));
    if (profile.parent === undefined && isRefusing) {
      yield { profile, includes: includesOf.get(profile.name) ?? [] };
    }
  }
}

function isWhole(scan: PolicyScan): boolean {
  return scan.problems.length === 0 && scan.profiles.length > 0;
}

function includesByProfile({ includes }: PolicyScan): ReadonlyMap<string, readonly ScannedInclude[]> {
  const byProfile = new Map<string, ScannedInclude[]>();
  for (const include of includes) {
    if (include.profile === undefined) continue;
    const found = byProfile.get(include.profile);
    if (found === undefined) byProfile.set(include.profile, [include]);
    else found.push(include);
  }
  return byProfile;
}
