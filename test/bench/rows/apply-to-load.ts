import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPILE_OPTIONS } from '../../../src/policy/compiler.ts';
import type { CompilerPaths } from '../../../src/policy/compile.ts';
import { run, waitFor } from '../../testbed/process.ts';
import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import type { World } from '../world.ts';
import { ALLOWED_MS, CHANGED_POLICY, CHANGES_COUNTED, latencyOfChanges, PARSER_TIMES } from './latency.ts';

/**
 * One change after a quiet time: what follows within 5 s is one burst to an agent, in which it rests between its passes. Measured with changes
 * 3 to 4 s after each other: 183 and 209 ms instead of 71.
 */
const BURST_IS_OVER_MS = 6_000;

/**
 * From the answer to an apply until the agent hands the policy to its kernel, with this machine's own processors: all as in a cluster but for
 * the kernel, which is a stand-in, and for what a kubelet and a runtime take beside it.
 */
export async function measureApplyToLoad(world: World): Promise<Figure[]> {
  const { own, took } = await latencyOfChanges(async (version) => {
    await world.writesAtRest(BURST_IS_OVER_MS);
    return { own: await parserMs(world.compiler, version), took: await changeMs(world, version) };
  });
  return [
    {
      id: 'apply-to-load',
      value: took,
      unit: 'ms',
      goal: PARSER_TIMES * own + ALLOWED_MS,
      detail: `from the answer to an apply until the agent loads it into the kernel, a stand-in; the goal is ${PARSER_TIMES} times the ${own.toFixed(0)} ms that apparmor_parser takes to compile the same text alone, and ${ALLOWED_MS} ms; medians of ${CHANGES_COUNTED}; the policy has ${CHANGED_POLICY.bytes} bytes`,
    },
  ];
}

async function parserMs({ parser, features, basePath, workFolder }: CompilerPaths, version: number): Promise<number> {
  const file = join(workFolder, CHANGED_POLICY.baseline);
  await writeFile(file, policyOf(CHANGED_POLICY.baseline, version, CHANGED_POLICY.bytes));
  const began = performance.now();
  await run(parser, [...COMPILE_OPTIONS, `--features-file=${features}`, `--base=${basePath}`, '--', file]);
  return performance.now() - began;
}

async function changeMs(world: World, version: number): Promise<number> {
  const { name, bytes } = CHANGED_POLICY;
  const before = (await world.fleet.figures()).lastLoadAt;
  const applied = await applyPolicy(world, name, policyOf(name, version, bytes));
  const appliedAt = Date.now();
  await loadedEverywhere(world, [applied], 60_000);
  const { lastLoadAt } = await waitFor('the agent to load it', { deadlineMs: 60_000, intervalMs: 100 }, async () => {
    const figures = await world.fleet.figures();
    return figures.lastLoadAt > before ? figures : undefined;
  });
  return lastLoadAt - appliedAt;
}
