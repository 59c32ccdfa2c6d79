import type { AppArmorProfile } from '../../src/api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../src/api/resources.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { waitFor } from '../testbed/process.ts';
import type { World } from './world.ts';

/** A policy of one profile and of about so many bytes; another `version` is another text of the same size. */
export function policyOf(name: string, version: number, bytes = 1_000): string {
  const lines = [`profile ${name} flags=(attach_disconnected) {`, '  file,', '  signal (receive),'];
  for (let size = lines.join('\n').length; size < bytes - 60; size = lines.join('\n').length) {
    lines.push(`  deny /srv/${String(version).padStart(6, '0')}/${String(lines.length).padStart(4, '0')}/** wl,`);
  }
  return [...lines, '}', ''].join('\n');
}

export function applyPolicy({ client }: World, name: string, policy: string): Promise<AppArmorProfile> {
  const object = { metadata: { name }, spec: { policy } };
  return client.apply<AppArmorProfile>(APPARMOR_PROFILE, object, { fieldManager: 'bench', force: true });
}

/** Waits until every status says that every node holds what was applied; returns them in the same order. */
export async function loadedEverywhere(
  world: World,
  applied: readonly AppArmorProfile[],
  deadlineMs: number,
): Promise<AppArmorProfile[]> {
  const { client, nodes, fleet, signal } = world;
  let missing: AppArmorProfile | undefined;
  try {
    return await waitFor('every node to hold what was applied', { deadlineMs, intervalMs: 250, signal }, async () => {
      fleet.check();
      const now = await profilesNow(client, applied);
      missing = now.find((profile, index) => !holdsEverywhere(profile, applied[index]?.metadata.generation, nodes));
      return missing === undefined ? now : undefined;
    });
  } catch (error) {
    const status = JSON.stringify(missing?.status);
    throw new Error(`${missing?.metadata.name}: ${status}\n${fleet.log()}`, { cause: error });
  }
}

/** One request, however many are waited for: what is measured shares the machine with whoever asks. */
async function profilesNow(client: KubeClient, applied: readonly AppArmorProfile[]): Promise<AppArmorProfile[]> {
  const [first] = applied;
  if (applied.length === 1 && first !== undefined) {
    return [await client.get<AppArmorProfile>(APPARMOR_PROFILE, { name: first.metadata.name })];
  }
  const { items } = await client.list<AppArmorProfile>(APPARMOR_PROFILE);
  const byName = new Map(items.map((profile) => [profile.metadata.name, profile]));
  return applied.map((profile) => byName.get(profile.metadata.name) ?? profile);
}

function holdsEverywhere({ status }: AppArmorProfile, generation: number | undefined, nodes: number): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return (
    ready?.status === 'True' &&
    ready.observedGeneration === generation &&
    status?.nodes?.loaded === nodes &&
    status.nodes.desired === nodes
  );
}
