import { expect } from 'chai';
import { AGENT_DAEMONSET, OWNER_CLUSTER_ROLE } from '../../../src/api/names.ts';
import type { DaemonSet } from '../../../src/controller/daemonset/agent-daemonset.ts';
import { isNotFound } from '../../../src/kube/errors.ts';
import { CLUSTER_ROLES, DAEMON_SETS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { installOperator, kubectl, NAMESPACE } from '../api/installation.ts';
import { eventWhen, OWN_IMAGE } from './operator.ts';
import { withController } from './running.ts';

const container = ({ spec }: DaemonSet) => spec.template.spec?.containers[0];

const patch = (change: object) =>
  kubectl(['patch', 'daemonset', AGENT_DAEMONSET, `--namespace=${NAMESPACE}`, '-p', JSON.stringify(change)]);

describe('controller: the agent DaemonSet', function () {
  this.timeout(90_000);
  const running = withController();

  const key = { namespace: NAMESPACE, name: AGENT_DAEMONSET };
  const get = () => running.client().get<DaemonSet>(DAEMON_SETS, key);

  /** Waits until what was asked of the spec holds again, in an object that is not the edited one. */
  async function putRight(change: object, right: (live: DaemonSet) => boolean): Promise<DaemonSet> {
    await patch(change);
    return waitFor('the DaemonSet to be put right', { deadlineMs: 20_000 }, async () => {
      const live = await get();
      return right(live) ? live : undefined;
    });
  }

  it('runs the controller’s own image, is the manifests’ and passes the API server unchanged', async () => {
    const live = await waitFor('the DaemonSet', { deadlineMs: 15_000 }, get);
    const role = await running.client().get<{ metadata: { uid: string } }>(CLUSTER_ROLES, {
      name: OWNER_CLUSTER_ROLE,
    });
    expect(live.metadata.ownerReferences).to.have.length(1);
    expect(live.metadata.ownerReferences?.[0]).to.deep.include({ kind: 'ClusterRole', uid: role.metadata.uid });
    expect(container(live)).to.deep.include({ image: OWN_IMAGE, imagePullPolicy: 'IfNotPresent' });
    expect(live.spec.template.spec?.imagePullSecrets).to.deep.equal([{ name: 'registry' }]);
    expect(container(live)?.securityContext?.capabilities).to.deep.equal({ add: ['MAC_ADMIN'], drop: ['ALL'] });
  });

  it('a node selector that somebody adds is removed, and said', async () => {
    const edit = { spec: { template: { spec: { nodeSelector: { disk: 'ssd' } } } } };
    await putRight(edit, ({ spec }) => !('disk' in (spec.template.spec?.nodeSelector ?? {})));
    const event = await eventWhen(
      running.client(),
      AGENT_DAEMONSET,
      'PutRight',
      /nodeSelector\.disk \(had been added\)/,
    );
    expect(event.type).to.equal('Warning');
    expect(event.note).to.contain('kubectl-patch');
  });

  it('another image and more rights', async () => {
    const edit = {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: 'agent',
                image: 'evil',
                securityContext: { capabilities: { add: ['MAC_ADMIN', 'SYS_ADMIN'] } },
              },
            ],
          },
        },
      },
    };
    const live = await putRight(edit, (live) => container(live)?.image === OWN_IMAGE);
    expect(container(live)?.securityContext?.capabilities).to.deep.equal({ add: ['MAC_ADMIN'], drop: ['ALL'] });
    await eventWhen(
      running.client(),
      AGENT_DAEMONSET,
      'PutRight',
      /containers\[agent\]\.image \(had been set to "evil"/,
    );
  });

  it('another container', async () => {
    const edit = { spec: { template: { spec: { containers: [{ name: 'miner', image: 'miner' }] } } } };
    await putRight(edit, ({ spec }) => spec.template.spec?.containers.length === 1);
    await eventWhen(running.client(), AGENT_DAEMONSET, 'PutRight', /containers\[miner\] \(had been added\)/);
  });

  it('its owner and its labels', async () => {
    await kubectl([
      'label',
      'daemonset',
      AGENT_DAEMONSET,
      `--namespace=${NAMESPACE}`,
      'app.kubernetes.io/component-',
      'theirs=kept',
    ]);
    await waitFor('the label', { deadlineMs: 10_000 }, async () => {
      const { metadata } = await get();
      return metadata.labels?.['app.kubernetes.io/component'] === 'agent' && metadata.labels['theirs'] === 'kept';
    });
  });

  it('deleted, it is made again', async () => {
    const before = await get();
    await kubectl(['delete', 'daemonset', AGENT_DAEMONSET, `--namespace=${NAMESPACE}`, '--cascade=orphan']);
    const again = await waitFor('another DaemonSet', { deadlineMs: 20_000 }, async () => {
      const live = await get();
      return live.metadata.uid === before.metadata.uid ? undefined : live;
    });
    expect(container(again)?.image).to.equal(OWN_IMAGE);
    await eventWhen(running.client(), AGENT_DAEMONSET, 'Created', /registry\.example/);
  });

  it('kubectl rollout restart goes through', async () => {
    await kubectl(['rollout', 'restart', `daemonset/${AGENT_DAEMONSET}`, `--namespace=${NAMESPACE}`]);
    const restarted = await get();
    const edit = { spec: { minReadySeconds: 7 } };
    const live = await putRight(edit, ({ spec }) => (spec.minReadySeconds ?? 0) === 0);
    const annotation = 'kubectl.kubernetes.io/restartedAt';
    expect(live.spec.template.metadata?.annotations?.[annotation])
      .to.be.a('string')
      .and.equal(restarted.spec.template.metadata?.annotations?.[annotation]);
  });

  it('the agents go with the ClusterRole and are not made again; with it they come back', async () => {
    const client = running.client();
    const key = { namespace: NAMESPACE, name: AGENT_DAEMONSET };
    await client.delete(CLUSTER_ROLES, { name: OWNER_CLUSTER_ROLE });
    const gone = () =>
      client.get(DAEMON_SETS, key).then(
        () => false,
        (error: unknown) => isNotFound(error),
      );
    await waitFor('the agents to be gone', { deadlineMs: 60_000 }, gone);
    await waitFor('the controller to have looked', { deadlineMs: 10_000 }, () =>
      running.controller().log().includes('the agents are left alone'),
    );
    expect(await gone()).to.equal(true);
    await installOperator();
    await waitFor('the agents to be back', { deadlineMs: 60_000 }, async () => !(await gone()));
  });
});
