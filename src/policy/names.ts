import type { ScannedProfile } from './scan.ts';

/**
 * The kernel makes a folder NAME.NUMBER for each profile, and a file name has at most 255 bytes. The number counts what was ever
 * loaded since the boot: a dot and ten digits. Measured: a name of 253 bytes loads as one of the first nine profiles only, and from
 * then on is refused with ENAMETOOLONG.
 */
export const LONGEST_NAME_BYTES = 244;

/** The part of a profile's name that its own line gives it: without the parents'. */
export function ownName(profile: ScannedProfile): string {
  return profile.parent === undefined ? profile.name : profile.name.slice(profile.parent.length + 2);
}

/**
 * Why a profile name is not safe to load, list and hand to a runtime; undefined if it is. The parser accepts every one of
 * these (measured with 3.0.8, 4.1 and 5.0.2): lines of the kernel's list can be forged with them, other policy namespaces
 * and label stacks named, and what the kernel would really call the profile is not known from the text.
 */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) return `is longer than ${LONGEST_NAME_BYTES} bytes`;
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'contains a control or invisible character';
  if (/[^\P{Zs} ]/u.test(name)) return 'contains a blank that is not an ordinary one';
  if (name.trim() !== name) return 'begins or ends with a blank';
  if (name.includes('\\')) return 'contains a backslash, so that its real form is not sure';
  if (name.includes('"')) return 'contains a quotation mark';
  if (name.startsWith('-')) return "begins with '-' and can be taken for an option";
  if (name.startsWith(':')) return 'names another policy namespace';
  if (name.startsWith('&') || name.includes('//&')) return 'is a stack of labels';
  if (name === '.' || name.split('/').includes('..')) return "contains the path step '..' or is '.'";
  if (/ \([^()]*\)$/.test(name)) return "ends like a mode in the kernel's list of profiles";
  return undefined;
}

/**
 * Whether a top-level profile confines processes of the host that execute a matching file: it has an attachment, or its name
 * is a path or a pattern that can match one. A child's attachment counts only inside its parent.
 */
export function attachesToHost(profile: ScannedProfile): boolean {
  if (profile.parent !== undefined) return false;
  return profile.attachment !== undefined || /^[/*?[{@^\\]/.test(profile.name);
}

/** Why a file that the policy includes cannot be opened safely; undefined if it can only lie below the folder it is looked for in. */
export function pathFault(path: string): string | undefined {
  if (path.startsWith('/')) return 'is absolute';
  if (path.includes('\\')) return 'contains a backslash, so that its real form is not sure';
  if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(path)) return 'contains a control or invisible character';
  const steps = path.split('/');
  if (steps.includes('..')) return "climbs out with '..'";
  if (steps.every((step) => step === '' || step === '.')) return 'names the whole folder of the policies';
  return undefined;
}
