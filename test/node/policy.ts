/**
 * A policy of one profile that confines a pod visibly: nothing may be written in /tmp. `more` are further lines of the profile,
 * such as a child. Without the right to receive signals a container's process would outlive its pod.
 */
export function policy(name: string, more = ''): string {
  return `profile ${name} flags=(attach_disconnected) {\n  file,\n  signal (receive),\n  deny /tmp/** w,\n${more}}\n`;
}
