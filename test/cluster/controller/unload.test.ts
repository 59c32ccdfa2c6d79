import { expect } from 'chai';
import type { AppArmorNode, AppArmorNodeStatusProblem } from '../../../src/api/generated/index.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { waitFor } from '../../testbed/process.ts';
import { installOperator, kubectl } from '../api/installation.ts';
import {
  applyProfile,
  eventWhen,
  profileWhen,
  report,
  rowWhen,
  uniqueName,
  type RunningController,
} from './operator.ts';
import { agentSays, createPod, notReadySince, podEnds, READY, removePod } from './pods.ts';
import { policy, withController } from './running.ts';

const DEFINITION = 'apparmorprofiles.apparmor-operator.dev';

/** Row of what nobody wants any more, as an agent reports it. */
function unwanted(profile: string, revision = 'aaaaaaaaaaaa'): AppArmorNodeStatusProblem {
  const message = 'waits for a grant';
  return { object: profile, profile, revision, state: 'Retained', reason: 'NoLongerWanted', message };
}

describe('controller: grants to unload', function () {
  this.timeout(120_000);
  const running = withController();
  const node = uniqueName('unload');
  /** Something nobody names: as soon as it is granted, the controller has looked at the row. */
  const control = uniqueName('control');
  let leading: RunningController;

  before(async () => {
    await running.operator().createNode(node, { pool: 'unload' });
    await rowWhen(running.client(), node);
    await agentSays(running.client(), node, READY);
    leading = running.controller();
    const bystander = running.newName('bystander');
    await applyProfile(running.client(), bystander, { policy: policy(bystander) });
  });

  const row = () => running.client().get<AppArmorNode>(APPARMOR_NODE, { name: node });
  const retained = (...problems: AppArmorNodeStatusProblem[]) => report(running.client(), node, { problems });

  async function granted(...profiles: string[]): Promise<AppArmorNode> {
    let last: unknown;
    try {
      return await waitFor('the grants', { deadlineMs: 20_000 }, async () => {
        const live = await row();
        last = live.spec?.unload;
        const names = (live.spec?.unload ?? []).map(({ profile }) => profile);
        return names.sort().join() === profiles.sort().join() ? live : undefined;
      });
    } catch (error) {
      throw new Error(`not granted: ${profiles.join()}, but ${JSON.stringify(last)}`, { cause: error });
    }
  }

  it('what no pod names, until five minutes from now; what a pod names only after it has ended', async () => {
    const name = uniqueName('named');
    await createPod(running.client(), name, node, name);
    await retained(unwanted(name), unwanted(control));
    const { spec } = await granted(control);
    const seconds = (Date.parse(spec?.unload?.[0]?.expires ?? '') - Date.now()) / 1000;
    expect(seconds).to.be.within(280, 300);
    expect(spec?.unload?.[0]?.revision).to.equal('aaaaaaaaaaaa');
    expect(leading.log()).to.contain(`pod default/${name} names it`);

    await podEnds(running.client(), name);
    await granted(control, name);
    await removePod(name);
    await retained();
    await granted();
  });

  it('a pod on another node does not hold it; one that comes takes the grant back', async () => {
    const name = uniqueName('comes');
    const other = uniqueName('other-node');
    await running.operator().createNode(other);
    await createPod(running.client(), `${name}-elsewhere`, other, name);
    await retained(unwanted(name), unwanted(control));
    await granted(control, name);
    await createPod(running.client(), name, node, name);
    await granted(control);
    for (const pod of [name, `${name}-elsewhere`]) await removePod(pod);
    await granted(control, name);
    await retained();
    await granted();
  });

  it('an object that defines it and selects the node takes the grant back; narrowed or deleted it gives it again', async () => {
    const client = running.client();
    const name = running.newName('again');
    await retained(unwanted(name), unwanted(control));
    await granted(control, name);
    await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'unload' } });
    await granted(control);
    await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'elsewhere' } });
    await granted(control, name);
    await applyProfile(client, name, { policy: policy(name) });
    await granted(control);
    await applyProfile(client, name, { policy: policy(`${name}-renamed`) });
    await granted(control, name);
    await applyProfile(client, name, { policy: policy(name) });
    await granted(control);
    await client.delete(APPARMOR_PROFILE, { name });
    await granted(control, name);
    await retained();
    await granted();
  });

  it('none while the node or its agent is not Ready, nor for an earlier boot, nor what was never ours', async () => {
    const client = running.client();
    const name = uniqueName('ready');
    await retained(unwanted(name));
    await granted(name);
    await agentSays(client, node, notReadySince(new Date()));
    await granted();
    await agentSays(client, node, READY);
    await granted(name);
    await report(client, node, { bootID: 'an earlier boot', problems: [unwanted(name)] });
    await granted();
    await retained({ ...unwanted(name), reason: 'NotOurs' }, unwanted(control));
    await granted(control);

    const silent = uniqueName('silent');
    await running.operator().createNode(silent);
    await rowWhen(client, silent);
    await agentSays(client, silent, READY);
    await report(client, silent, { problems: [unwanted(name)] });
    const grants = async () => (await client.get<AppArmorNode>(APPARMOR_NODE, { name: silent })).spec?.unload ?? [];
    await waitFor('the grant', { deadlineMs: 15_000 }, async () => (await grants()).length === 1);
    await running.operator().makeNotReady(silent);
    await waitFor('no grant', { deadlineMs: 15_000 }, async () => (await grants()).length === 0);
    await report(client, silent, {});
    await retained();
    await granted();
  });

  it('writes nothing while nothing changes', async () => {
    const [name, later] = [uniqueName('quiet'), uniqueName('later')];
    await retained(unwanted(name));
    const { metadata } = await granted(name);
    // What the controller does after this it has done after everything that came before.
    const published = running.newName('quiet');
    await applyProfile(running.client(), published, { policy: policy(published) });
    await profileWhen(running.client(), published, 'published', ({ status }) => status?.revision !== undefined);
    expect((await row()).metadata.resourceVersion).to.equal(metadata.resourceVersion);
    const expires = (await row()).spec?.unload;
    await retained(unwanted(name), unwanted(later));
    const { spec } = await granted(name, later);
    expect(spec?.unload).to.deep.include(expires?.[0]);
    await retained();
    await granted();
  });

  it('a new leader knows all pods before it grants anything', async () => {
    const client = running.client();
    const name = uniqueName('leader');
    await leading.stop();
    await createPod(client, name, node, name);
    await retained(unwanted(name), unwanted(control));
    expect((await row()).spec?.unload ?? []).to.deep.equal([]);
    const two = await running.operator().startController('controller-two');
    await granted(control);
    expect(two.log()).not.to.match(new RegExp(`"granted the removal[^\n]*${name}`));
    await removePod(name);
    await granted(control, name);
    await two.stop();
    leading = await running.operator().startController('controller-one');
    await retained();
    await granted();
  });

  it('all objects vanish together: nothing, and it is said; with the next object it is granted', async () => {
    const client = running.client();
    const [web, db] = [uniqueName('web'), uniqueName('db')];
    for (const name of [web, db]) await applyProfile(client, name, { policy: policy(name) });
    // One after the other, as kubectl and GitOps tools do it, and the node has reported the first before the last goes.
    await client.delete(APPARMOR_PROFILE, { name: web });
    await retained(unwanted(web));
    await waitFor('the controller to have looked at it', { deadlineMs: 4000 }, () =>
      new RegExp(`"profile":"${web}"[^\n]*came or went`).test(leading.log()),
    );
    await kubectl(['delete', 'apparmorprofiles', '--all']);
    await retained(unwanted(web), unwanted(db, 'bbbbbbbbbbbb'));
    const event = await eventWhen(client, node, 'UnloadHeld', /vanished together/);
    expect(event.type).to.equal('Warning');
    expect((await row()).spec?.unload ?? []).to.deep.equal([]);
    expect(leading.log()).not.to.match(new RegExp(`granted the removal[^\n]*${web}`));
    const next = running.newName('next');
    await applyProfile(client, next, { policy: policy(next) });
    await granted(web, db);
    expect(leading.log()).to.match(new RegExp(`granted the removal[^\n]*${web}`));
    await retained();
    await granted();
  });

  it('the kind is being deleted, or is gone: nothing', async () => {
    const client = running.client();
    const name = uniqueName('kind');
    await kubectl(['patch', 'crd', DEFINITION, '--type=merge', '-p', '{"metadata":{"finalizers":["test/hold"]}}']);
    await kubectl(['delete', 'crd', DEFINITION, '--wait=false']);
    await retained(unwanted(name));
    await waitFor('the controller to see it', { deadlineMs: 15_000 }, () =>
      leading.log().includes(`${DEFINITION} is being deleted`),
    );
    expect((await row()).spec?.unload ?? []).to.deep.equal([]);
    await kubectl(['patch', 'crd', DEFINITION, '--type=merge', '-p', '{"metadata":{"finalizers":[]}}']);
    await kubectl(['wait', 'crd', DEFINITION, '--for=delete', '--timeout=30s']);
    await retained(unwanted(name, 'bbbbbbbbbbbb'));
    await waitFor('the controller to see it', { deadlineMs: 15_000 }, () =>
      leading.log().includes(`${DEFINITION} is gone`),
    );
    expect((await row()).spec?.unload ?? []).to.deep.equal([]);

    await installOperator();
    const next = running.newName('next');
    await applyProfile(client, next, { policy: policy(next) });
    await waitFor('the grant', { deadlineMs: 60_000 }, async () => (await row()).spec?.unload?.length === 1);
  });
});

describe('controller: what agents put right', function () {
  this.timeout(120_000);
  const running = withController();

  it('is told on the object, once, and never what was there at first sight', async () => {
    const client = running.client();
    const node = uniqueName('drift');
    const name = running.newName('drift');
    await running.operator().createNode(node);
    await rowWhen(client, node);
    await applyProfile(client, name, { policy: policy(name) });
    const correction = (what: 'Unloaded' | 'ModeChanged', time: string) => ({
      profile: name,
      object: name,
      what,
      time,
    });
    await report(client, node, { drift: [correction('Unloaded', '2030-01-01T00:00:00Z')] });
    const first = await eventWhen(
      client,
      name,
      'DriftCorrected',
      new RegExp(`^${node}: profile ${name} had been removed`),
    );
    expect(first.type).to.equal('Warning');

    await running.controller().stop();
    await report(client, node, { drift: [correction('Unloaded', '2030-01-01T00:01:00Z')] });
    await running.operator().startController('controller-two');
    // What it publishes it has seen after everything that was there at first sight.
    const seen = running.newName('seen');
    await applyProfile(client, seen, { policy: policy(seen) });
    await profileWhen(client, seen, 'published', ({ status }) => status?.revision !== undefined);
    await report(client, node, { drift: [correction('ModeChanged', '2030-01-01T00:02:00Z')] });
    await eventWhen(client, name, 'DriftCorrected', /switched to another mode/);
    const told = await kubectl([
      'get',
      'events',
      '--field-selector=reason=DriftCorrected',
      '-o',
      'jsonpath={.items[*].message}',
    ]);
    expect(told.match(/had been removed/g)).to.have.length(1);
  });
});
