import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { kubectl, NAMESPACE } from '../api/installation.ts';
import { ignoreNotFound, startOperator, uniqueName, type RunningController, type TestOperator } from './operator.ts';

/** What the tests of one file share; there in hooks and tests only. */
export interface Running {
  operator(): TestOperator;
  client(): KubeClient;
  controller(): RunningController;
  /** A name for an AppArmorProfile, which is deleted after the last test. */
  newName(word: string): string;
}

/** Flags of a controller whose webhooks the API server cannot reach, so that it stores what they would refuse. */
export const WITHOUT_WEBHOOKS: readonly string[] = ['--webhook-url=https://127.0.0.1:1'];

/** Makes the surrounding `describe` run with the operator installed and one controller, with these flags, that leads. */
export function withController(flags: readonly string[] = []): Running {
  let operator: TestOperator | undefined;
  let controller: RunningController | undefined;
  const made: string[] = [];

  before('install the operator and start a controller', async () => {
    operator = await startOperator();
    controller = await operator.startController('controller-one', flags);
  });

  after('stop the controller', async () => {
    const client = operator?.client;
    for (const name of made) await ignoreNotFound(client?.delete(APPARMOR_PROFILE, { name }) ?? Promise.resolve());
    await operator?.stop();
    const pods = ['controller-one', 'controller-two'];
    await kubectl(['delete', 'pods', ...pods, `--namespace=${NAMESPACE}`, '--ignore-not-found', '--force']);
  });

  return {
    operator: () => required(operator),
    client: () => required(operator).client,
    controller: () => required(controller),
    newName(word) {
      const name = uniqueName(word);
      made.push(name);
      return name;
    },
  };
}

/** A policy of one profile. */
export function policy(name: string, rule = ''): string {
  return `profile ${name} {\n  file,\n${rule}}\n`;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there in hooks and tests only');
  return value;
}
