import { expect } from 'chai';
import { Registry } from 'prom-client';
import { announceOn } from '../../../src/controller/announce.ts';
import { createControllerHealth } from '../../../src/controller/controller-health.ts';
import { createControllerMetrics } from '../../../src/controller/metrics.ts';
import { startQueues } from '../../../src/controller/queues.ts';
import { createManualClock, settled } from '../kube/manual-clock.ts';
import { fakeLogger, fakeRecorder } from './fake-client.ts';
import { loadedOn, nodeFacts, profileView } from './objects.ts';

async function samples(registry: Registry): Promise<string[]> {
  const text = await registry.metrics();
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('createControllerMetrics', () => {
  it('counts what the leader has at each scrape, and nothing on the others', async () => {
    const registry = new Registry();
    const metrics = createControllerMetrics(registry);
    metrics.reconciled('status', 'success');
    metrics.reconciled('status', 'error');
    expect(await samples(registry)).to.include('apparmor_controller_leader 0');
    const ready = { type: 'Ready', status: 'True', reason: 'Loaded', message: '', lastTransitionTime: '' } as const;
    const pods = { matched: 5, confined: 2, complaining: 0, pendingRestart: 1, skipped: 2 };
    metrics.leading({
      queues: () => [{ concern: 'status', size: 3 }],
      profiles: () => [profileView(), profileView({ status: { conditions: [ready], pods } })],
      nodes: () => [
        loadedOn('a'),
        loadedOn('b'),
        nodeFacts('c', { enforcing: false, reason: 'AppArmorDisabled' }),
        nodeFacts('d', {}, { node: { ready: false } }),
      ],
    });
    expect(await samples(registry)).to.have.members([
      'apparmor_controller_reconciles_total{concern="status",result="success"} 1',
      'apparmor_controller_reconciles_total{concern="status",result="error"} 1',
      'apparmor_controller_leader 1',
      'apparmor_controller_queue_size{concern="status"} 3',
      'apparmor_controller_profiles{ready="Unknown",reason=""} 1',
      'apparmor_controller_profiles{ready="True",reason="Loaded"} 1',
      'apparmor_controller_pods{state="confined"} 2',
      'apparmor_controller_pods{state="complaining"} 0',
      'apparmor_controller_pods{state="pendingRestart"} 1',
      'apparmor_controller_pods{state="skipped"} 2',
      'apparmor_controller_nodes{state="enforcing",reason=""} 2',
      'apparmor_controller_nodes{state="unsupported",reason="AppArmorDisabled"} 1',
      'apparmor_controller_nodes{state="unreachable",reason="NodeNotReady"} 1',
    ]);
    metrics.leading(undefined);
    expect(await samples(registry)).to.have.length(3);
  });
});

describe('createControllerHealth', () => {
  it('a replica that does not lead is ready', () => {
    const health = createControllerHealth(createManualClock());
    expect([health.livez(), health.readyz()]).to.deep.equal([undefined, undefined]);
  });

  it('a leader is ready once it knows everything, while it hears of it', async () => {
    const clock = createManualClock();
    const health = createControllerHealth(clock);
    let synced = false;
    const began = clock.now();
    health.watching([
      { kind: 'nodes', synced: () => synced, lastContact: () => began },
      { kind: 'profiles', synced: () => true, lastContact: () => clock.now() },
    ]);
    expect(health.readyz()).to.equal('waiting for the first list of nodes');
    synced = true;
    expect(health.readyz()).to.equal(undefined);
    await clock.advance(180_001);
    expect(health.readyz()).to.equal('no word from the API server for three minutes about nodes');
    health.watching([]);
    expect(health.readyz()).to.equal(undefined);
  });
});

describe('announceOn', () => {
  it('tells about the object, in at most 900 characters', () => {
    const recorder = fakeRecorder();
    announceOn(recorder)(profileView(), { type: 'Normal', reason: 'Ready', action: 'Load', note: 'x'.repeat(2000) });
    expect(recorder.notices[0]?.regarding).to.deep.equal({
      apiVersion: 'apparmor-operator.dev/v1alpha1',
      kind: 'AppArmorProfile',
      name: 'web',
      uid: 'uid-web',
    });
    expect(recorder.notices[0]?.note).to.have.length(900);
  });
});

describe('startQueues', () => {
  it('takes nothing before it is opened, counts results, and tries again', async () => {
    const clock = createManualClock();
    const registry = new Registry();
    const logger = fakeLogger();
    const done: string[] = [];
    let fail = true;
    const queues = startQueues(
      {
        revisions: (key) => {
          done.push(key);
          return fail ? Promise.reject(new Error('no')) : Promise.resolve();
        },
        reviews: () => Promise.resolve(),
        proofs: () => Promise.resolve(),
        evictions: () => Promise.resolve(),
        slowReviews: () => Promise.resolve(),
        nodes: () => Promise.resolve(),
        daemonset: () => Promise.resolve(),
        status: () => Promise.resolve(),
        unloads: () => Promise.resolve(),
        certificate: () => Promise.resolve(),
        webhooks: () => Promise.resolve(),
      },
      { clock, random: () => 0, logger, metrics: createControllerMetrics(registry) },
    );
    queues.add('revisions', 'early');
    await settled();
    expect(done).to.deep.equal([]);
    queues.open();
    queues.add('revisions', 'web');
    await settled();
    fail = false;
    await clock.advance(1000);
    expect(done).to.deep.equal(['web', 'web']);
    expect(logger.lines).to.deep.equal(['warn reconcile failed']);
    expect(queues.sizes()).to.deep.equal(
      [
        'revisions',
        'reviews',
        'slowReviews',
        'nodes',
        'daemonset',
        'status',
        'evictions',
        'unloads',
        'certificate',
        'webhooks',
        'proofs',
      ].map((concern) => ({
        concern,
        size: 0,
      })),
    );
    await queues.stop();
    queues.add('revisions', 'late');
    await settled();
    expect(done).to.have.length(2);
    expect(await samples(registry)).to.include.members([
      'apparmor_controller_reconciles_total{concern="revisions",result="error"} 1',
      'apparmor_controller_reconciles_total{concern="revisions",result="success"} 1',
    ]);
  });
});
