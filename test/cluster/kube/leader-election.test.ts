import { expect } from 'chai';
import { createKubeClient } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { runLeaderElection } from '../../../src/kube/leader-election.ts';
import { LEASES } from '../../../src/kube/resource.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import { waitFor } from '../../testbed/process.ts';
import { startProxy } from '../../unit/kube/proxy.ts';
import type { Proxy } from '../../unit/kube/proxy.ts';
import { controlPlane, namePrefix } from '../fixture.ts';

interface Candidate {
  identity: string;
  network: Proxy;
  /** Milliseconds of the system clock when its work began and ended, by turns. */
  turns: number[];
  leads: () => boolean;
  errors: unknown[];
  stop: () => Promise<void>;
}

const soon = { deadlineMs: 30_000, intervalMs: 10 };

describe('leader election on a real API server', function () {
  this.timeout(90_000);
  const candidates: Candidate[] = [];

  afterEach(async () => {
    await Promise.all(candidates.splice(0).map(({ stop }) => stop()));
  });

  async function start(name: string, identity: string): Promise<Candidate> {
    const access = kubeconfigAccess(controlPlane().kubeconfig);
    const network = await startProxy(access.url);
    const transport = createTransport({ ...access, url: network.url }, { userAgent: 'tests', timeoutMs: 30_000 });
    const stopping = new AbortController();
    const turns: number[] = [];
    const errors: unknown[] = [];
    const done = runLeaderElection({
      client: createKubeClient(transport),
      namespace: 'default',
      name,
      identity,
      leaseSeconds: 3,
      renewSeconds: 2,
      retrySeconds: 0.3,
      clock: systemClock,
      random: Math.random,
      signal: stopping.signal,
      onError: (error) => errors.push(error),
      async onLeading(signal) {
        turns.push(systemClock.now());
        await systemClock.sleep(60_000, signal);
        turns.push(systemClock.now());
      },
    });
    const candidate: Candidate = {
      identity,
      network,
      turns,
      errors,
      leads: () => turns.length % 2 === 1,
      async stop() {
        stopping.abort();
        await done;
        await transport.close();
        await network.stop();
      },
    };
    candidates.push(candidate);
    return candidate;
  }

  it('lets one of three lead, and hands over as soon as it stops', async function () {
    const name = `${namePrefix(this)}lease`;
    const three = await Promise.all(['a', 'b', 'c'].map((identity) => start(name, identity)));
    await waitFor('a leader', soon, () => three.some(({ leads }) => leads()));
    // Renewed for longer than a lease lasts, so that the others had their chance.
    await waitFor('renewals', soon, async () => {
      const { stdout } = await controlPlane().kubectl(['get', 'lease', name, '--output=jsonpath={.spec}']);
      const { acquireTime, renewTime } = JSON.parse(stdout) as { acquireTime: string; renewTime: string };
      return Date.parse(renewTime) - Date.parse(acquireTime) > 3000;
    });
    const leaders = three.filter(({ leads }) => leads());
    expect(leaders).to.have.length(1);
    expect(three.filter(({ turns }) => turns.length > 0)).to.have.length(1);
    const [first] = leaders;
    if (first === undefined) expect.fail();
    const stoppedAt = systemClock.now();
    await first.stop();
    const others = three.filter((candidate) => candidate !== first);
    await waitFor('another leader', soon, () => others.some(({ leads }) => leads()));
    const tookMs = (others.find(({ leads }) => leads())?.turns[0] ?? 0) - stoppedAt;
    expect(tookMs, 'not after the lease ran out').to.be.lessThan(2500);
    expect(three.flatMap(({ errors }) => errors)).to.deep.equal([]);
    const lease = await controlPlane().kubectl(['get', 'lease', name, '--output=jsonpath={.spec}']);
    expect(JSON.parse(lease.stdout)).to.include({ leaseDurationSeconds: 3, leaseTransitions: 1 });
  });

  it('ends the work of a leader that is cut off before another begins', async function () {
    const name = `${namePrefix(this)}lease`;
    const a = await start(name, 'a');
    await waitFor('a to lead', soon, () => a.leads());
    const b = await start(name, 'b');
    a.network.freeze();
    await waitFor('b to lead', soon, () => b.leads());
    expect(a.leads()).to.equal(false);
    const [, ended = Number.NaN] = a.turns;
    const [began = Number.NaN] = b.turns;
    expect(began - ended).to.be.greaterThan(500);
    expect(String(a.errors.at(-1))).to.contain('could not be renewed');
  });

  it('ends the work of a leader whose lease was taken', async function () {
    const name = `${namePrefix(this)}lease`;
    const a = await start(name, 'a');
    await waitFor('a to lead', soon, () => a.leads());
    const transport = createTransport(kubeconfigAccess(controlPlane().kubeconfig), {
      userAgent: 't',
      timeoutMs: 30_000,
    });
    const client = createKubeClient(transport);
    await client.mergePatch(LEASES, { namespace: 'default', name }, { spec: { holderIdentity: 'thief' } });
    await waitFor('a to stop', soon, () => !a.leads());
    expect(a.errors.map(String).join('\n')).to.contain('taken by thief');
    await transport.close();
  });
});
