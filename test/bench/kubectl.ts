import type { ControlPlane, KubectlOptions } from '../testbed/control-plane.ts';

/** What kubectl prints as administrator; throws what it complains of. */
export async function kubectl(
  controlPlane: ControlPlane,
  args: readonly string[],
  options: KubectlOptions = {},
): Promise<string> {
  const { stdout, stderr, code } = await controlPlane.kubectl(args, options);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}
