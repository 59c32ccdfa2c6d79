import { about } from './about.ts';
import type { Rule } from './finding.ts';
import { attachesToHost, nameFault, ownName, pathFault } from './names.ts';
import { positionsOf } from './position.ts';
import { printable } from './printable.ts';
import { reservedFor } from './reserved-names.ts';
import type { ScannedProfile } from './scan.ts';

/** All texts of one object together have the same limit (DESIGN.md); etcd ends at 1.5 MB per object. */
export const MOST_TEXT_BYTES = 512 * 1024;

/** What refuses a policy. */
export const ERROR_RULES: readonly Rule[] = [
  {
    id: 'text-too-large',
    severity: 'error',
    reason: 'Every node keeps the text and compiles it; etcd refuses objects of 1.5 MB.',
    *check({ text, tooLarge }) {
      if (!tooLarge) return;
      yield {
        message: `the policy has ${Buffer.byteLength(text)} bytes, at most ${MOST_TEXT_BYTES} are allowed`,
        remedy: 'split it into several AppArmorProfiles',
      };
    },
  },
  {
    id: 'text-encoding',
    severity: 'error',
    reason: 'What is not text is read differently by the parser, which ends at NUL, and by everything before it.',
    *check({ text, tooLarge }) {
      if (tooLarge) return;
      const nul = text.indexOf('\0');
      if (nul === -1 && text.isWellFormed()) return;
      const at = nul === -1 ? loneSurrogate(text) : nul;
      yield {
        message: nul === -1 ? 'the policy is not valid Unicode' : 'the policy contains a NUL character',
        remedy: 'save the policy as plain UTF-8 text and remove the character',
        position: positionsOf(text)(at),
      };
    },
  },
  {
    id: 'unreadable',
    severity: 'error',
    reason: 'Nothing is published whose profiles are not known for sure.',
    *check({ scan }) {
      for (const { message, position } of scan.problems) {
        yield { message, position, remedy: 'correct the syntax at this place (man 5 apparmor.d describes it)' };
      }
    },
  },
  {
    id: 'no-profile',
    severity: 'error',
    reason: 'The parser accepts a text without a profile and loads nothing, which would look like success.',
    *check({ scan, tooLarge }) {
      if (tooLarge || scan.profiles.length > 0 || scan.problems.length > 0) return;
      yield {
        message: 'the policy defines no profile',
        remedy: "add 'profile NAME { … }'; profiles that only an include brings in do not count",
      };
    },
  },
  {
    id: 'duplicate-profile',
    severity: 'error',
    reason: 'The parser refuses two profiles of one name, and says neither where the first nor where the second is.',
    *check({ scan }) {
      const first = new Map<string, ScannedProfile>();
      for (const profile of scan.profiles) {
        const earlier = first.get(profile.name);
        if (earlier === undefined) first.set(profile.name, profile);
        else {
          yield about(profile, {
            message: `profile ${printable(profile.name)} is defined in line ${earlier.position.line} already`,
            remedy: 'rename or remove one of the two',
          });
        }
      }
    },
  },
  {
    id: 'reserved-name',
    severity: 'error',
    reason:
      'Runtimes, tools and distributions rely on these names; replacing such a profile re-confines what runs under it.',
    *check({ scan }) {
      for (const profile of scan.profiles) {
        const own = ownName(profile);
        const owner = profile.parent === undefined || own.startsWith('null-') ? reservedFor(own) : undefined;
        if (owner === undefined) continue;
        yield about(profile, {
          message: `the name ${printable(own)} is reserved for ${owner}`,
          remedy: 'choose another name, for example with the name of the application in front',
        });
      }
    },
  },
  {
    id: 'hostile-name',
    severity: 'error',
    reason:
      'Names become lines of the kernel’s list, label stacks, namespaces and arguments; see nameFault for each form.',
    *check({ scan }) {
      for (const profile of scan.profiles) {
        const fault = nameFault(ownName(profile));
        if (fault === undefined) continue;
        yield about(profile, {
          message: `the profile name '${printable(ownName(profile))}' ${fault}`,
          remedy: "use letters, digits, '.', '_' and '-'",
        });
      }
    },
  },
  {
    id: 'variable-name',
    severity: 'error',
    reason:
      'The parser expands variables in names, with values that may come from includes: the name is not in the text.',
    *check({ scan }) {
      for (const profile of scan.profiles) {
        if (!ownName(profile).includes('@{')) continue;
        yield about(profile, {
          message: `the profile name ${printable(ownName(profile))} contains a variable`,
          remedy: 'write the name out; a variable may stand in the attachment instead',
        });
      }
    },
  },
  {
    id: 'child-separator',
    severity: 'error',
    reason: "'//' separates children from their parent: a top-level name with it claims to be part of another profile.",
    *check({ scan }) {
      for (const profile of scan.profiles) {
        if (profile.parent !== undefined || nameFault(profile.name) !== undefined) continue;
        if (!profile.name.includes('//') && !profile.name.endsWith('/')) continue;
        yield about(profile, {
          message: `the top-level profile name ${printable(profile.name)} contains '//' or ends with '/'`,
          remedy: 'define the child inside its parent, or choose another name',
        });
      }
    },
  },
  {
    id: 'host-attachment',
    severity: 'error',
    reason: 'A profile with an attachment, or a path as name, also confines matching executables of the host.',
    *check({ scan, allowHostAttachment }) {
      if (allowHostAttachment) return;
      for (const profile of scan.profiles) {
        if (!attachesToHost(profile)) continue;
        const what =
          profile.attachment === undefined ? 'by its name' : `by its attachment ${printable(profile.attachment)}`;
        yield about(profile, {
          message: `profile ${printable(profile.name)} attaches to executables of the host ${what}`,
          remedy: "write 'profile NAME {' without a path, or set allowHostAttachment: true if this is intended",
        });
      }
    },
  },
  {
    id: 'include-path',
    severity: 'error',
    reason: 'The parser opens any file it is told to, and shows parts of it in its messages.',
    *check({ scan }) {
      for (const [keyword, files] of [
        ['include', scan.includes],
        ['abi', scan.abis],
      ] as const) {
        for (const { path, position } of files) {
          const fault = pathFault(path);
          if (fault === undefined) continue;
          yield {
            message: `the path of ${keyword} ${printable(path)} ${fault}`,
            remedy: 'name a file below the policy folder, as <abstractions/base> or <tunables/global>',
            position,
          };
        }
      }
    },
  },
  {
    id: 'mode-contradiction',
    severity: 'error',
    reason: '`mode: Enforce` promises that violations are refused; these flags take that back.',
    *check({ scan, mode }) {
      if (mode !== 'Enforce') return;
      for (const profile of scan.profiles) {
        const flag = profile.flags.find((flag) => LENIENT_FLAGS.has(flag));
        if (flag === undefined) continue;
        yield about(profile, {
          message: `mode is Enforce, but profile ${printable(profile.name)} has the flag ${flag}`,
          remedy: 'remove the flag, or leave mode out',
        });
      }
    },
  },
];

/** Flags under which a profile does not refuse what its rules do not allow. */
const LENIENT_FLAGS: ReadonlySet<string> = new Set(['complain', 'unconfined', 'default_allow', 'prompt']);

function loneSurrogate(text: string): number {
  return text.search(/\p{Cs}/u);
}
