import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import type { World } from '../world.ts';

/**
 * The API server ends and comes back, and a policy is changed before the agents are back: how they come, what they ask for, and
 * whether all of them get the change.
 */
export async function measureReconnect(world: World): Promise<Figure[]> {
  const { nodes, controlPlane, fleet } = world;
  const name = 'bench-reconnect';
  await loadedEverywhere(world, [await applyPolicy(world, name, policyOf(name, 0))], 300_000);
  await world.writesAtRest();

  await controlPlane.killApiServer();
  const before = (await fleet.figures()).requests;
  await controlPlane.startApiServer();
  const startedAt = performance.now();
  const second = Math.floor(Date.now() / 1000);
  const changed = await applyPolicy(world, name, policyOf(name, 1));
  await loadedEverywhere(world, [changed], 300_000);
  const seconds = (performance.now() - startedAt) / 1000;
  await world.writesAtRest();

  const { byKind, bySecond } = (await fleet.figures()).requests;
  const asked = (kind: keyof typeof byKind): number => byKind[kind] - before.byKind[kind];
  const peak = Math.max(...Object.entries(bySecond).map(([at, count]) => (Number(at) < second ? 0 : count)));
  const kinds = (['watch', 'list', 'get', 'write'] as const).map((kind) => `${asked(kind)} ${kind}`);
  const detail = `${nodes} agents without an API server until it was back; since it went they asked for ${kinds.join(', ')}, at most ${peak} a second once it was there`;
  return [
    {
      id: `reconnect-${nodes}`,
      value: seconds,
      unit: 's',
      // The longest pause between two attempts, and a change of a policy.
      goal: 40,
      detail: `${detail}; until all of them held a change that was made when it was just back`,
    },
    {
      id: 'reconnect-texts',
      value: asked('get') / nodes,
      unit: 'texts per agent',
      goal: 1,
      detail: `${detail}; the one that was changed is fetched, and no other`,
    },
  ];
}
