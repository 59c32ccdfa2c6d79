import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { join } from 'node:path';
import { isNotFound } from '../../../src/kube/errors.ts';
import { waitFor } from '../../testbed/process.ts';
import {
  administrator,
  kubectl,
  MANIFESTS,
  NAMESPACE,
  ROOT,
  uninstallOperator,
  type Caller,
} from '../api/installation.ts';
import {
  applyProfile,
  profileWhen,
  report,
  rowWhen,
  startOperator,
  uniqueName,
  type TestOperator,
} from './operator.ts';
import { agentSays, READY } from './pods.ts';
import { policy } from './running.ts';

const whole = ['-k', MANIFESTS];

/** Each of them as `kubectl delete`, one after the other. */
const ORDERS: readonly (readonly [title: string, deletions: readonly (readonly string[])[]])[] = [
  ['whole', [whole]],
  ['the operator first', [['-k', join(ROOT, 'manifests', 'controller')], whole]],
  ['the CRDs first', [['-k', join(ROOT, 'manifests', 'crd')], whole]],
  ['the namespace first', [['namespace', NAMESPACE], whole]],
];

describe('kubectl delete -k manifests/default', function () {
  this.timeout(180_000);

  const stop = new AbortController();
  let kubelet = Promise.resolve();
  let admin: Caller;

  before('leave nothing of the operator', async () => {
    admin = administrator();
    kubelet = endPods(stop.signal);
    await kubectl(['delete', ...whole, '--ignore-not-found', '--timeout=60s']);
  });

  after(async () => {
    stop.abort();
    await kubelet;
    await admin.close();
    await uninstallOperator();
  });

  for (const [title, deletions] of ORDERS) {
    it(`${title}: ends within a minute and leaves nothing behind`, async () => {
      const before = await everything(admin);
      let operator: TestOperator | undefined;
      try {
        operator = await startOperator();
        const node = await atWork(operator);
        await waitFor('everything that is made at run time', { deadlineMs: 15_000 }, async () => {
          const paths = (await everything(admin)).join(' ');
          for (const end of FOUND_WHILE_INSTALLED) expect(paths).to.contain(end);
          return true;
        });

        const startedAt = performance.now();
        for (const deletion of deletions) {
          await kubectl(['delete', ...deletion, '--ignore-not-found', '--timeout=60s']);
        }
        const left = await leftAfter(admin, before, 60_000 - (performance.now() - startedAt), node);
        expect(left).to.deep.equal([]);
        // The controller still runs, as it may where its node is cut off, and makes nothing again.
        await operator.stop();
        expect(await leftAfter(admin, before, 10_000, node)).to.deep.equal([]);
      } finally {
        await operator?.stop();
      }
    });
  }
});

/** Whatever the operator makes, so that the test cannot pass by looking away. */
const FOUND_WHILE_INSTALLED = [
  'clusterroles/apparmor-operator-controller',
  'clusterrolebindings/apparmor-operator-agent',
  'customresourcedefinitions/apparmorprofiles.apparmor-operator.dev',
  'v1alpha1/apparmorprofiles/uninstall-',
  'v1alpha1/apparmornodes/uninstall-',
  'validatingadmissionpolicies/apparmor-operator-agent-own-node',
  'validatingwebhookconfigurations/apparmor-operator-review',
  'mutatingwebhookconfigurations/zzz-apparmor-operator-pods-',
  'namespaces/apparmor-operator',
  'namespaces/apparmor-operator/secrets/apparmor-operator-webhook',
  'namespaces/apparmor-operator/daemonsets/apparmor-operator-agent',
  'namespaces/default/roles/apparmor-operator-events',
  'apiservices/v1alpha1.apparmor-operator.dev',
];

/** A node with a row, an agent and what nobody wants; an object that is published; everything that is made at run time. */
async function atWork(operator: TestOperator): Promise<string> {
  const { client } = operator;
  await operator.startController('controller-one');
  const node = uniqueName('uninstall');
  await operator.createNode(node);
  await rowWhen(client, node);
  await agentSays(client, node, READY);
  const name = uniqueName('uninstall');
  await applyProfile(client, name, { policy: policy(name), pods: { selector: { matchLabels: { app: name } } } });
  await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
  const message = 'waits for a grant';
  const problem = {
    object: 'gone',
    profile: 'gone',
    revision: 'a',
    state: 'Retained',
    reason: 'NoLongerWanted',
    message,
  } as const;
  await report(client, node, { problems: [problem] });
  return node;
}

/** Every object of every cluster-scoped kind, and of every kind in `default` and in our namespace. */
async function everything(admin: Caller): Promise<string[]> {
  const lists = await Promise.all((await collections(admin)).map((path) => namesIn(admin, path)));
  return lists.flat();
}

/** Paths of all collections that the API server serves, each in the version that it prefers. */
async function collections(admin: Caller): Promise<string[]> {
  const { groups } = (await admin.ask({ method: 'GET', path: '/apis' })) as { groups: Group[] };
  const roots = ['/api/v1', ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
  const found = await Promise.all(
    roots.map(async (root) => {
      const served = await unlessNotFound(admin.ask({ method: 'GET', path: root }));
      const { resources = [] } = (served ?? {}) as { resources?: Served[] };
      return resources
        .filter(({ name, verbs }) => verbs.includes('list') && !CHANGING.has(name))
        .flatMap(({ name, namespaced }) =>
          namespaced
            ? ['default', NAMESPACE].map((inside) => `${root}/namespaces/${inside}/${name}`)
            : [`${root}/${name}`],
        );
    }),
  );
  return found.flat();
}

interface Group {
  preferredVersion: { groupVersion: string };
}

interface Served {
  name: string;
  namespaced: boolean;
  verbs: readonly string[];
}

async function namesIn(admin: Caller, path: string): Promise<string[]> {
  const list = await unlessNotFound(admin.ask({ method: 'GET', path }));
  const { items = [] } = (list ?? {}) as { items?: { metadata: { name: string } }[] };
  return items.map(({ metadata }) => `${path}/${metadata.name}`);
}

/** A kind may go while it is looked at. */
async function unlessNotFound(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Nodes come and go with the test; Events the API server removes after an hour. */
const CHANGING = new Set(['nodes', 'csinodes', 'componentstatuses', 'events']);

/** What there is and was not before, once nothing is left or the time is up. */
async function leftAfter(
  admin: Caller,
  before: readonly string[],
  deadlineMs: number,
  node: string,
): Promise<string[]> {
  const known = new Set(before);
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    const left = (await everything(admin)).filter((name) => !known.has(name) && !name.endsWith(`/${node}`));
    if (left.length === 0 || performance.now() > endsAt) return left;
    await sleep(500);
  }
}

/** What kubelets do: no node here has one, and a pod that was bound to a node would end for ever. */
async function endPods(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const jsonpath = '{range .items[?(@.metadata.deletionTimestamp)]}{.metadata.name}{" "}{end}';
    const names = await kubectl(['get', 'pods', `--namespace=${NAMESPACE}`, '-o', `jsonpath=${jsonpath}`]);
    for (const name of names.split(' ').filter((name) => name !== '')) {
      await kubectl([
        'delete',
        'pod',
        name,
        `--namespace=${NAMESPACE}`,
        '--force',
        '--grace-period=0',
        '--ignore-not-found',
      ]);
    }
    await sleep(500, undefined, { signal }).catch(() => undefined);
  }
}
