/**
 * The top-level name that a kernel name belongs to. Cut at the first `//`: the child of `dnsmasq` for the path
 * /usr/sbin/dnsmasq is called `dnsmasq///usr/sbin/dnsmasq`.
 */
export function rootOf(name: string): string {
  const end = name.indexOf('//', 1);
  return end < 0 ? name : name.slice(0, end);
}

/**
 * The top-level names in a label as `/proc/PID/attr/apparmor/current` prints it: `unconfined`, `NAME (MODE)`, or several
 * stacked, `A//&B (MODE)`. The kernel prints a policy namespace (`:NS:NAME`, `:NS://NAME`) only where it changes from one name
 * to the next, so a name in a namespace counts as the name without: in doubt a profile is in use.
 */
export function rootsInLabel(label: string): readonly string[] {
  const text = label.replace(/[\n\0]+$/, '');
  if (text === '' || text === 'unconfined') return [];
  // A name may itself contain ` (`, and only the end of the whole label has a mode.
  const end = text.endsWith(')') ? text.lastIndexOf(' (') : -1;
  const names = end < 0 ? text : text.slice(0, end);
  return names.split('//&').map((name) => rootOf(name.replace(/^:[^:]*:(?:\/\/)?/, '')));
}
