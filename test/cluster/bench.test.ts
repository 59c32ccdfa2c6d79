import { expect } from 'chai';
import { measureChange } from '../bench/rows/change.ts';
import { measureIdle } from '../bench/rows/idle.ts';
import { measureProfilesAtOnce } from '../bench/rows/profiles-at-once.ts';
import { measureReconnect } from '../bench/rows/reconnect.ts';
import { measureRestart } from '../bench/rows/restart.ts';
import type { Figure } from '../bench/results.ts';
import { measureWebhook } from '../bench/rows/webhook.ts';
import { startWorld, type World } from '../bench/world.ts';
import { defaultCacheFolder } from '../testbed/cache.ts';
import { interruption } from '../testbed/process.ts';

/** As many as fit into a minute beside the other tests. */
const NODES = 50;

describe('the bench, at 50 nodes', () => {
  let world: World | undefined;

  before('start the nodes', async function () {
    this.timeout(120_000);
    const signal = interruption();
    const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };
    world = await startWorld({ nodes: NODES, reporters: 'agents', cache, signal, log: () => undefined });
  });

  after('stop the nodes', async function () {
    this.timeout(60_000);
    await world?.stop();
  });

  it('at rest nothing is written and nothing asked for', async () => {
    const figures = await measureIdle(running(), 5_000, true);
    expect(valueOf(figures, 'idle-writes'), detailOf(figures, 'idle-writes')).to.equal(0);
    expect(valueOf(figures, 'idle-requests-per-agent-hour')).to.equal(0);
  });

  it('the controller, its Lease and the agents have the priority levels of the manifests', async () => {
    const dispatched = await running().samples('apiserver_flowcontrol_dispatched_requests_total');
    const ours = dispatched.filter(({ labels }) => labels['flow_schema']?.startsWith('apparmor-operator-'));
    expect(
      Object.fromEntries(ours.map(({ labels }) => [labels['flow_schema'], labels['priority_level']])),
    ).to.deep.equal({
      'apparmor-operator-agents': 'apparmor-operator-agents',
      'apparmor-operator-controller': 'workload-high',
      'apparmor-operator-controller-lease': 'leader-election',
    });
    for (const { labels, value } of ours) expect(value, labels['flow_schema']).to.be.greaterThan(0);
  });

  it('one change of a policy reaches every node, by one write of each and with the text once', async function () {
    this.timeout(120_000);
    const figures = await measureChange(running(), 1);
    expect(valueOf(figures, 'converge-50')).to.be.greaterThan(0);
    const writes = valueOf(figures, 'writes-per-node-change') * NODES;
    expect(writes, detailOf(figures, 'writes-per-node-change')).to.be.within(NODES, NODES + 20);
    // The policy has 8 KB.
    expect(valueOf(figures, 'bytes-per-node-change')).to.be.within(8_000, 16_000);
  });

  it('many policies at once are few writes of each node', async function () {
    this.timeout(180_000);
    const figures = await measureProfilesAtOnce(running(), 20);
    const id = 'writes-per-node-20-profiles';
    // Three on a machine at rest; more where loading them takes so long that some are told of before the end.
    expect(valueOf(figures, id), detailOf(figures, id)).to.be.within(1, 6);
  });

  it('after an outage of the API server every agent has the change that was made meanwhile, by one text each', async function () {
    this.timeout(180_000);
    const figures = await measureReconnect(running());
    expect(valueOf(figures, 'reconnect-texts'), detailOf(figures, 'reconnect-texts')).to.equal(1);
  });

  it('pods at a steady rate are confined, by the operator’s webhook and by the constant one beside it', async function () {
    this.timeout(120_000);
    const figures = await measureWebhook(running(), 3);
    expect(valueOf(figures, 'webhook-p99'), detailOf(figures, 'webhook-p99')).to.be.within(0.1, 1_000);
  });

  function running(): World {
    if (world === undefined) throw new Error('there in tests only');
    return world;
  }
});

describe('the bench, where it reports for the nodes', () => {
  it('a controller that starts is right about what was reported without it', async function () {
    this.timeout(240_000);
    const signal = interruption();
    const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };
    const world = await startWorld({ nodes: 20, reporters: 'bench', cache, signal, log: () => undefined });
    try {
      const figures = await measureRestart(world, { policies: 5, podsPerNode: 2 });
      expect(valueOf(figures, 'restart-20')).to.be.within(0, 60);
      expect(valueOf(figures, 'controller-rss-20')).to.be.within(20, 400);
    } finally {
      await world.stop();
    }
  });
});

function valueOf(figures: readonly Figure[], id: string): number {
  return figures.find((figure) => figure.id === id)?.value ?? Number.NaN;
}

function detailOf(figures: readonly Figure[], id: string): string {
  return figures.find((figure) => figure.id === id)?.detail ?? '';
}
