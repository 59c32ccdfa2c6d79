import { expect } from 'chai';
import type { AppArmorNode } from '../../../src/api/generated/index.ts';
import { AGENT_DAEMONSET, OWNER_CLUSTER_ROLE } from '../../../src/api/names.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import type { DaemonSet } from '../../../src/controller/daemonset/agent-daemonset.ts';
import { CLUSTER_ROLES, DAEMON_SETS, NODES } from '../../../src/kube/resource.ts';
import { isNotFound } from '../../../src/kube/errors.ts';
import { waitFor } from '../../testbed/process.ts';
import { installOperator, kubectl, NAMESPACE } from '../api/installation.ts';
import {
  applyProfile,
  eventWhen,
  getProfile,
  ignoreNotFound,
  leader,
  OWN_IMAGE,
  profileWhen,
  readyOf,
  report,
  revisionsOf,
  rowWhen,
  sequenceOf,
  startOperator,
  uniqueName,
  type RunningController,
  type TestOperator,
} from './operator.ts';

const policy = (name: string, rule = ''): string => `profile ${name} {\n  file,\n${rule}}\n`;

describe('controller', function () {
  this.timeout(90_000);
  let operator: TestOperator;
  let controller: RunningController;
  const made: string[] = [];

  before(async () => {
    operator = await startOperator();
    controller = await operator.startController('controller-one');
  });

  after(async () => {
    for (const name of made) await ignoreNotFound(operator.client.delete(APPARMOR_PROFILE, { name }));
    await operator?.stop();
    await kubectl([
      'delete',
      'pods',
      'controller-one',
      'controller-two',
      `--namespace=${NAMESPACE}`,
      '--ignore-not-found',
      '--force',
    ]);
  });

  const newName = (word: string): string => {
    const name = uniqueName(word);
    made.push(name);
    return name;
  };

  describe('AppArmorNodes', () => {
    it('one per Linux node, named after it and owned by it; gone with it', async () => {
      const { client } = operator;
      const name = uniqueName('node');
      const { uid } = await operator.createNode(name);
      const row = await rowWhen(client, name);
      expect(row.metadata.ownerReferences).to.deep.equal([
        { apiVersion: 'v1', kind: 'Node', name, uid, controller: true, blockOwnerDeletion: false },
      ]);

      await client.mergePatch(APPARMOR_NODE, { name }, { metadata: { ownerReferences: null } });
      await waitFor('the owner to be put right', { deadlineMs: 10_000 }, async () => {
        const { metadata } = await client.get<AppArmorNode>(APPARMOR_NODE, { name });
        return metadata.ownerReferences?.[0]?.uid === uid;
      });

      await client.delete(NODES, { name });
      await waitFor('the row to be gone', { deadlineMs: 30_000 }, () =>
        client.get(APPARMOR_NODE, { name }).then(
          () => false,
          (error: unknown) => isNotFound(error),
        ),
      );
    });

    it('none for Windows nodes and virtual ones', async () => {
      const { client } = operator;
      const [windows, virtual, linux] = [uniqueName('windows'), uniqueName('virtual'), uniqueName('linux')];
      await operator.createNode(windows, { 'kubernetes.io/os': 'windows' });
      await operator.createNode(virtual, { type: 'virtual-kubelet' });
      await operator.createNode(linux);
      await rowWhen(client, linux);
      const { items } = await client.list<AppArmorNode>(APPARMOR_NODE);
      expect(items.map(({ metadata }) => metadata.name)).not.to.include.members([windows, virtual]);
      for (const name of [windows, virtual, linux]) await client.delete(NODES, { name });
    });
  });

  describe('the agent DaemonSet', () => {
    const key = { namespace: NAMESPACE, name: AGENT_DAEMONSET };
    const get = () => operator.client.get<DaemonSet>(DAEMON_SETS, key);
    const container = ({ spec }: DaemonSet) => spec.template.spec?.containers[0];
    const patch = (change: object) =>
      kubectl(['patch', 'daemonset', AGENT_DAEMONSET, `--namespace=${NAMESPACE}`, '-p', JSON.stringify(change)]);

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
      const role = await operator.client.get<{ metadata: { uid: string } }>(CLUSTER_ROLES, {
        name: OWNER_CLUSTER_ROLE,
      });
      expect(live.metadata.ownerReferences).to.have.length(1);
      expect(live.metadata.ownerReferences?.[0]).to.deep.include({ kind: 'ClusterRole', uid: role.metadata.uid });
      expect(container(live)).to.deep.include({ image: OWN_IMAGE, imagePullPolicy: 'IfNotPresent' });
      expect(live.spec.template.spec?.imagePullSecrets).to.deep.equal([{ name: 'registry' }]);
      expect(container(live)?.securityContext?.capabilities).to.deep.equal({ add: ['MAC_ADMIN'], drop: ['ALL'] });
      await eventWhen(operator.client, AGENT_DAEMONSET, 'Created', /registry\.example/);
    });

    it('a node selector that somebody adds is removed, and said', async () => {
      const edit = { spec: { template: { spec: { nodeSelector: { disk: 'ssd' } } } } };
      await putRight(edit, ({ spec }) => !('disk' in (spec.template.spec?.nodeSelector ?? {})));
      const event = await eventWhen(
        operator.client,
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
          template: { spec: { containers: [{ name: 'agent', image: 'evil', securityContext: { privileged: true } }] } },
        },
      };
      const live = await putRight(edit, (live) => container(live)?.image === OWN_IMAGE);
      expect(container(live)?.securityContext?.privileged).to.equal(false);
      await eventWhen(
        operator.client,
        AGENT_DAEMONSET,
        'PutRight',
        /containers\[agent\]\.image \(had been set to "evil"/,
      );
    });

    it('another container', async () => {
      const edit = { spec: { template: { spec: { containers: [{ name: 'miner', image: 'miner' }] } } } };
      await putRight(edit, ({ spec }) => spec.template.spec?.containers.length === 1);
      await eventWhen(operator.client, AGENT_DAEMONSET, 'PutRight', /containers\[miner\] \(had been added\)/);
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
  });

  describe('revisions', () => {
    it('publishes what passed review, owned by the object; the object itself is left alone', async () => {
      const { client } = operator;
      const name = newName('published');
      const object = await applyProfile(client, name, { policy: policy(name), conflictPolicy: 'Replace' });
      const profile = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
      const [revision, ...others] = await revisionsOf(client, object.metadata.uid);
      expect(others).to.deep.equal([]);
      expect(revision?.data).to.deep.equal({
        object: { name, uid: object.metadata.uid, creationTimestamp: object.metadata.creationTimestamp },
        policy: policy(name),
        profiles: [name],
        conflictPolicy: 'Replace',
      });
      expect(revision?.metadata.ownerReferences?.[0]).to.deep.include({
        kind: 'AppArmorProfile',
        uid: object.metadata.uid,
        controller: true,
        blockOwnerDeletion: false,
      });
      expect(revision?.metadata.name).to.equal(`${name}-${profile.status?.revision}`);
      expect(profile.metadata).to.deep.include({ generation: 1, uid: object.metadata.uid });
      expect(profile.metadata).not.to.have.any.keys('annotations', 'labels', 'finalizers');
      await eventWhen(client, name, 'Published', new RegExp(`${profile.status?.revision}.*${name}`));
    });

    it('an earlier content is put in force again, the history ends at three, the last one never goes', async () => {
      const { client } = operator;
      const name = newName('history');
      const hashes: string[] = [];
      const apply = async (text: string): Promise<string> => {
        const { metadata } = await applyProfile(client, name, { policy: policy(name, text) });
        const { status } = await profileWhen(
          client,
          name,
          'published',
          (profile) =>
            profile.metadata.generation === metadata.generation && profile.status?.revision !== hashes.at(-1),
        );
        hashes.push(status?.revision ?? '');
        return metadata.uid;
      };
      for (const text of ['', '  # 2\n', '  # 3\n']) await apply(text);
      const uid = await apply('');
      expect(hashes[3]).to.equal(hashes[0]);
      const three = await revisionsOf(client, uid);
      expect(three.map(({ metadata }) => metadata.annotations?.['apparmor-operator.dev/revision-hash'])).to.deep.equal([
        hashes[1],
        hashes[2],
        hashes[0],
      ]);
      expect(three.map(sequenceOf)).to.deep.equal([2, 3, 4]);
      expect(three.map(({ revision }) => revision)).to.deep.equal([2, 3, 4]);

      for (const text of ['  # 5\n', '  # 6\n', '  # 7\n']) await apply(text);
      const left = await waitFor('the oldest to go', { deadlineMs: 10_000 }, async () => {
        const revisions = await revisionsOf(client, uid);
        return revisions.length === 4 ? revisions : undefined;
      });
      expect(left.map(sequenceOf)).to.deep.equal([4, 5, 6, 7]);
    });

    it('what is refused is not published: the line, the rule and the remedy are said, the last one stays', async () => {
      const { client } = operator;
      const name = newName('refused');
      const good = await applyProfile(client, name, { policy: policy(name) });
      const before = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
      await applyProfile(client, name, { policy: `${policy(name)}\nprofile docker-default {\n}\n` });
      const refused = await profileWhen(client, name, 'refused', (_, ready) => ready === 'False/PolicyRefused');
      const [ready, stalled] = refused.status?.conditions ?? [];
      expect(ready?.message).to.match(/^line 5: .*docker-default.*\(rule reserved-name\); .* stays in force$/);
      expect(stalled).to.deep.include({
        type: 'Stalled',
        status: 'True',
        reason: 'PolicyRefused',
        observedGeneration: 2,
      });
      expect(refused.status?.revision).to.equal(before.status?.revision);
      expect(await revisionsOf(client, good.metadata.uid)).to.have.length(1);
      await eventWhen(client, name, 'PolicyRefused', /^line 5: /);

      await applyProfile(client, name, { policy: policy(name) });
      const healed = await profileWhen(client, name, 'accepted again', (_, ready) => ready !== 'False/PolicyRefused');
      expect(healed.status?.conditions?.map(({ type }) => type)).not.to.include('Stalled');
      expect((await revisionsOf(client, good.metadata.uid)).map(sequenceOf)).to.deep.equal([1]);
    });

    it('two objects that define one name: the younger is told', async () => {
      const { client } = operator;
      const [older, younger] = [newName('older'), newName('younger')];
      await applyProfile(client, older, { policy: policy('shared-name') });
      // The owner is the older by creation time, which has whole seconds.
      const { metadata } = await getProfile(client, older);
      await waitFor(
        'another second',
        { deadlineMs: 5000 },
        () => Date.now() >= Date.parse(metadata.creationTimestamp) + 1000,
      );
      await applyProfile(client, younger, { policy: policy('shared-name') });
      await eventWhen(client, younger, 'Conflict', new RegExp(`${older} defines profile shared-name`));
      expect(await revisionsOf(client, (await getProfile(client, younger)).metadata.uid)).to.have.length(1);
    });

    it('a deleted revision is published again, spoilt metadata put right; with the object all are gone', async () => {
      const { client } = operator;
      const name = newName('kept');
      const { metadata } = await applyProfile(client, name, { policy: policy(name) });
      await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
      const [first] = await revisionsOf(client, metadata.uid);
      await kubectl(['delete', 'controllerrevision', first?.metadata.name ?? '', `--namespace=${NAMESPACE}`]);
      const again = await waitFor('it to be published again', { deadlineMs: 10_000 }, async () => {
        const [revision] = await revisionsOf(client, metadata.uid);
        return revision?.metadata.uid === first?.metadata.uid ? undefined : revision;
      });
      await kubectl([
        'label',
        'controllerrevision',
        again.metadata.name,
        `--namespace=${NAMESPACE}`,
        'apparmor-operator.dev/revision-',
      ]);
      await waitFor('its label to be put right', { deadlineMs: 10_000 }, async () => {
        const [revision] = await revisionsOf(client, metadata.uid);
        return revision?.metadata.labels?.['apparmor-operator.dev/revision'] === 'true';
      });
      await client.delete(APPARMOR_PROFILE, { name });
      await waitFor(
        'the revisions to be gone',
        { deadlineMs: 30_000 },
        async () => (await revisionsOf(client, metadata.uid)).length === 0,
      );
    });
  });

  describe('status', () => {
    const nodes = [uniqueName('a'), uniqueName('b')] as const;
    const [a, b] = nodes;

    before(async () => {
      for (const name of nodes) await operator.createNode(name, { pool: 'status' });
      for (const name of nodes) await rowWhen(operator.client, name);
    });

    it('follows the nodes from nothing through a failure to Ready, and says each time why', async () => {
      const { client } = operator;
      const name = newName('status');
      await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'status' } });
      const begun = await profileWhen(client, name, 'begun', (_, ready) => ready === 'False/Progressing');
      expect(begun.status).to.deep.include({ nodesLoaded: '0/2', mode: 'Enforce', profiles: [name] });
      expect(begun.status?.conditions?.[1]).to.deep.include({ type: 'Reconciling', status: 'True' });
      const revision = begun.status?.revision ?? '';

      await report(client, a, { loaded: { [name]: revision } });
      await profileWhen(client, name, 'half way', ({ status }) => status?.nodesLoaded === '1/2');

      const problem = {
        object: name,
        profile: name,
        revision,
        state: 'Failed',
        reason: 'CompileFailed',
        message: 'syntax error',
        line: 2,
      } as const;
      await report(client, b, { problems: [problem] });
      const failed = await profileWhen(client, name, 'failed', (_, ready) => ready === 'False/NodesFailed');
      expect(failed.status?.failures).to.deep.equal([
        { reason: 'CompileFailed', message: 'syntax error', line: 2, nodes: 1, example: b },
      ]);
      expect(failed.status?.conditions?.[1]).to.deep.include({ type: 'Stalled', status: 'True' });
      await eventWhen(client, name, 'LoadFailed', new RegExp(`${b}: CompileFailed, line 2: syntax error`));

      await report(client, b, { loaded: { [name]: revision } });
      const ready = await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
      expect(ready.status).to.deep.include({
        nodesLoaded: '2/2',
        nodes: { desired: 2, loaded: 2, pending: 0, failed: 0, conflict: 0, unreachable: 0, unsupported: 0 },
      });
      expect(ready.status).not.to.have.property('failures');
      expect(ready.status?.conditions?.map(({ type }) => type)).to.deep.equal(['Ready']);
      await eventWhen(client, name, 'Ready', /loaded on 2 of 2 nodes/);
    });

    it('a joining node, a restarted one, a silent one and one without AppArmor are counted, and do not hold it back', async () => {
      const { client } = operator;
      const name = newName('counted');
      await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'counted' } });
      const none = await profileWhen(client, name, 'without nodes', (_, ready) => ready === 'False/NoMatchingNode');
      await eventWhen(client, name, 'NoMatchingNode', /pool=counted/);
      const revision = none.status?.revision ?? '';
      const [holder, silent, unable] = [uniqueName('holder'), uniqueName('silent'), uniqueName('unable')];
      for (const node of [holder, silent, unable]) await operator.createNode(node, { pool: 'counted' });
      for (const node of [holder, silent, unable]) await rowWhen(client, node);
      await report(client, holder, { loaded: { [name]: revision } });
      await report(client, unable, { enforcing: false, reason: 'AppArmorDisabled', message: 'off' });
      await report(client, silent, { bootID: 'an earlier boot', loaded: { [name]: revision } });
      await profileWhen(client, name, 'waiting for the restarted one', ({ status }) => status?.nodesLoaded === '1/2');

      await operator.makeNotReady(silent);
      const ready = await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
      expect(ready.status?.nodes).to.deep.include({ desired: 3, loaded: 1, unreachable: 1, unsupported: 1 });
      expect(ready.status?.conditions?.[0]?.message).to.contain('1 AppArmorDisabled, 1 NodeNotReady');

      const joining = uniqueName('joining');
      await operator.createNode(joining, { pool: 'counted' });
      const joined = await profileWhen(client, name, 'joined', ({ status }) => status?.nodes?.desired === 4);
      expect(readyOf(joined)).to.equal('True/Loaded');
      expect(joined.status?.conditions?.[0]?.lastTransitionTime).to.equal(
        ready.status?.conditions?.[0]?.lastTransitionTime,
      );
    });

    it('is put right when somebody writes it, and not written when nothing changed', async () => {
      const { client } = operator;
      const name = newName('written');
      await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'nowhere' } });
      await profileWhen(client, name, 'settled', (_, ready) => ready === 'False/NoMatchingNode');
      await client.mergePatch(
        APPARMOR_PROFILE,
        { name },
        { status: { nodesLoaded: '9/9' } },
        { subresource: 'status' },
      );
      await profileWhen(client, name, 'put right', ({ status }) => status?.nodesLoaded === '0/0');
      const { metadata } = await getProfile(client, name);
      await report(client, a, { loaded: { other: 'x' } });
      const other = newName('other');
      await applyProfile(client, other, { policy: policy(other) });
      await profileWhen(client, other, 'published', ({ status }) => status?.revision !== undefined);
      expect((await getProfile(client, name)).metadata.resourceVersion).to.equal(metadata.resourceVersion);
    });

    it('a re-created object begins anew', async () => {
      const { client } = operator;
      const name = newName('anew');
      const first = await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'status' } });
      const before = await profileWhen(client, name, 'begun', (_, ready) => ready === 'False/Progressing');
      for (const node of nodes) await report(client, node, { loaded: { [name]: before.status?.revision ?? '' } });
      await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
      await client.delete(APPARMOR_PROFILE, { name });
      const second = await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'status' } });
      expect(second.metadata.uid).not.to.equal(first.metadata.uid);
      const after = await profileWhen(client, name, 'begun anew', (_, ready) => ready === 'False/Progressing');
      expect(after.status?.revision).not.to.equal(before.status?.revision);
      expect(after.status?.nodesLoaded).to.equal('0/2');
    });
  });

  describe('leadership', () => {
    it('goes over when the leader stops, and when it dies, and everything is kept right on', async () => {
      const { client } = operator;
      expect(await leader(client)).to.equal('controller-one');
      const two = await operator.startController('controller-two');
      const published = async (): Promise<void> => {
        const name = newName('led');
        await applyProfile(client, name, { policy: policy(name) });
        await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
      };
      const leads = (identity: string, deadlineMs: number) =>
        waitFor(`${identity} to lead`, { deadlineMs }, async () => (await leader(client)) === identity);

      await controller.stop();
      expect(await controller.process.exited).to.deep.equal({ code: 0, signal: null });
      await leads('controller-two', 8000);
      await published();

      controller = await operator.startController('controller-one');
      expect(await leader(client)).to.equal('controller-two');
      await two.kill();
      await leads('controller-one', 30_000);
      await published();
    });
  });

  describe('uninstalling', () => {
    it('the agents go with the ClusterRole and are not made again; with it they come back', async () => {
      const { client } = operator;
      const key = { namespace: NAMESPACE, name: AGENT_DAEMONSET };
      await client.delete(CLUSTER_ROLES, { name: OWNER_CLUSTER_ROLE });
      const gone = () =>
        client.get(DAEMON_SETS, key).then(
          () => false,
          (error: unknown) => isNotFound(error),
        );
      await waitFor('the agents to be gone', { deadlineMs: 30_000 }, gone);
      await waitFor('the controller to have looked', { deadlineMs: 10_000 }, () =>
        controller.log().includes('the agents are left alone'),
      );
      expect(await gone()).to.equal(true);
      await installOperator();
      await waitFor('the agents to be back', { deadlineMs: 60_000 }, async () => !(await gone()));
    });
  });
});
