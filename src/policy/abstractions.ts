import { includeTarget } from './include-target.ts';
import type { ScannedInclude } from './scanned.ts';

/** What an include brings into the profile in which it stands. */
export interface IncludedRules {
  allowsFiles: boolean;
  denies: boolean;
  /** Lets unconfined processes send any signal. No abstraction lets `runc` or `crun`. */
  receivesFromUnconfined: boolean;
}

/**
 * Rules that the abstractions of the image bring: those of Debian 13's package apparmor 4.1, each together with what it includes
 * itself. The lists are here because the review must say the same where no such files are, as in `lint` on a laptop; a test reads
 * the real files and compares. Of what else is included, as local/…, there is nothing in the image.
 */
export function rulesOfInclude(include: Pick<ScannedInclude, 'path' | 'form'>): IncludedRules {
  const target = includeTarget(include, POLICY_FOLDER, () => true);
  if (target.kind === 'nowhere' || !target.path.startsWith(POLICY_FOLDER)) return NOTHING;
  const name = target.path.slice(POLICY_FOLDER.length).replace(/\/$/, '');
  if (name !== 'abstractions' && !name.startsWith('abstractions/')) return NOTHING;
  return {
    allowsFiles: !WITHOUT_FILE_RULE.has(name),
    denies: WITH_DENY_RULE.has(name),
    receivesFromUnconfined: WITH_SIGNAL_RULE.has(name),
  };
}

/** Any would do: only what is below it counts. */
const POLICY_FOLDER = '/etc/apparmor.d/';

const NOTHING: IncludedRules = { allowsFiles: false, denies: false, receivesFromUnconfined: false };

/** Including a folder includes every file in it. */
function withFolders(names: readonly string[]): ReadonlySet<string> {
  const folders = names.flatMap((name) => name.split('/').map((_, index, steps) => steps.slice(0, index).join('/')));
  return new Set([...names, ...folders]);
}

const WITHOUT_FILE_RULE: ReadonlySet<string> = new Set([
  'abstractions/dbus-accessibility',
  'abstractions/dbus-accessibility-strict',
  'abstractions/dbus-network-manager-strict',
  'abstractions/mozc',
  'abstractions/private-files',
  'abstractions/private-files-strict',
  'abstractions/snap_browsers',
  'abstractions/ubuntu-helpers',
  'abstractions/ubuntu-unity7-launcher',
  'abstractions/ubuntu-unity7-messaging',
]);

const WITH_DENY_RULE: ReadonlySet<string> = withFolders([
  'abstractions/X',
  'abstractions/dovecot-common',
  'abstractions/exo-open',
  'abstractions/gnome',
  'abstractions/kde',
  'abstractions/kde-open5',
  'abstractions/opencl',
  'abstractions/opencl-intel',
  'abstractions/private-files',
  'abstractions/private-files-strict',
  'abstractions/samba',
  'abstractions/samba-rpcd',
  'abstractions/transmission-common',
  'abstractions/ubuntu-browsers.d/kde',
  'abstractions/ubuntu-browsers.d/mailto',
  'abstractions/ubuntu-browsers.d/multimedia',
  'abstractions/ubuntu-browsers.d/ubuntu-integration',
  'abstractions/ubuntu-browsers.d/user-files',
  'abstractions/ubuntu-gnome-terminal',
  'abstractions/ubuntu-konsole',
  'abstractions/ubuntu-unity7-base',
  'abstractions/xdg-open',
]);

const WITH_SIGNAL_RULE: ReadonlySet<string> = withFolders([
  'abstractions/apache2-common',
  'abstractions/base',
  'abstractions/exo-open',
  'abstractions/gio-open',
  'abstractions/gnome',
  'abstractions/gvfs-open',
  'abstractions/kde',
  'abstractions/kde-open5',
  'abstractions/php-worker',
  'abstractions/samba-rpcd',
  'abstractions/transmission-common',
  'abstractions/ubuntu-browsers.d/kde',
  'abstractions/ubuntu-browsers.d/mailto',
  'abstractions/ubuntu-browsers.d/ubuntu-integration',
  'abstractions/ubuntu-gnome-terminal',
  'abstractions/ubuntu-konsole',
  'abstractions/ubuntu-unity7-base',
  'abstractions/xdg-open',
]);
