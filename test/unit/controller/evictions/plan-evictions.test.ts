import { expect } from 'chai';
import {
  planEvictions,
  REPLACEMENT_MS,
  type Awaited,
  type EvictionPlan,
  type EvictionPod,
} from '../../../../src/controller/evictions/plan-evictions.ts';
import { bare, confined, owner, waiting } from './pods.ts';

const NOW = 1_000_000;

/** web-1 was evicted at NOW; there were the pods of these names. */
function awaits(names: readonly string[], change: Partial<Awaited> = {}): Map<string, Awaited> {
  const before = new Set(names.map((name) => `uid-${name}`));
  return new Map([['uid-web', { pod: 'shop/web-1', ...owner('web'), atMs: NOW, before, ...change }]]);
}

function plan(pods: readonly EvictionPod[], change: Partial<Parameters<typeof planEvictions>[0]> = {}): EvictionPlan {
  return planEvictions({ pods, awaited: new Map(), held: () => undefined, proved: 0, now: NOW, ...change });
}

function names(pods: readonly EvictionPod[]): string[] {
  return pods.map(({ name }) => name);
}

/** Pods of that many ReplicaSets, one each. */
function fleet(size: number): EvictionPod[] {
  return Array.from({ length: size }, (_, index) => waiting(`pod-${index}`, owner(`set-${index}`)));
}

describe('planEvictions', () => {
  const first: [what: string, pods: EvictionPod[], evict: string[], progress: EvictionPlan['progress']['kind']][] = [
    ['no pod', [], [], 'done'],
    ['pods that are confined', [confined('a'), confined('b')], [], 'done'],
    ['one pod that waits', [waiting('a')], ['a'], 'working'],
    ['several of one owner: one of them', [waiting('b'), waiting('a')], ['a'], 'working'],
    ['one that is not Ready before one that is', [waiting('a'), waiting('b', { ready: false })], ['b'], 'working'],
    ['one beside confined ones that are Ready', [confined('a'), waiting('b')], ['b'], 'working'],
    ['none beside a confined one that is not Ready', [confined('a', { ready: false }), waiting('b')], [], 'working'],
    ['none beside one that is ending', [confined('a', { deleting: true }), waiting('b')], [], 'working'],
    ['none that is ending itself', [waiting('a', { deleting: true })], [], 'done'],
    ['none that a restart does not help', [waiting('a', { state: 'other' })], [], 'done'],
    ['one beside one of those, Ready or not', [waiting('a', { state: 'other', ready: false }), waiting('b')], ['b'], 'working'],
    ['a StatefulSet’s', [waiting('a', owner('x', 'StatefulSet'))], ['a'], 'working'],
    ['a DaemonSet’s', [waiting('a', owner('x', 'DaemonSet'))], ['a'], 'working'],
    ['a ReplicationController’s', [waiting('a', owner('x', 'ReplicationController'))], ['a'], 'working'],
    ['none of a Job', [waiting('a', owner('x', 'Job'))], [], 'done'],
    ['no static pod', [waiting('a', owner('node-a', 'Node'))], [], 'done'],
    ['none of an owner that nobody knows', [waiting('a', owner('x', 'Workflow'))], [], 'done'],
    ['no bare pod', [bare(waiting('a'))], [], 'done'],
    ['of the first owner alone', [waiting('b', owner('two')), waiting('a', owner('one'))], ['a'], 'working'],
  ]; // prettier-ignore
  for (const [what, pods, evict, progress] of first) {
    it(`${evict.length === 0 ? 'leaves' : 'evicts'} ${what}`, () => {
      const made = plan(pods);
      expect(names(made.evict)).to.deep.equal(evict);
      expect(made.progress.kind).to.equal(progress);
    });
  }

  it('reports what nobody would replace, beside the others', () => {
    const made = plan([bare(waiting('a')), waiting('b'), waiting('c', owner('x', 'Job')), bare(confined('d'))]);
    expect(names(made.leftAlone)).to.deep.equal(['a', 'c']);
    expect(made.progress).to.deep.equal({ kind: 'working', pending: 1 });
  });

  it('goes on with more at once as replacements prove themselves, up to ten', () => {
    const pods = fleet(30);
    for (const [proved, evicted] of [
      [0, 1],
      [1, 2],
      [2, 4],
      [4, 8],
      [5, 10],
      [100, 10],
    ] as const) {
      // prettier-ignore
      expect(plan(pods, { proved }).evict, `${proved}`).to.have.length(evicted);
    }
  });

  it('counts those that it waits for among the ten', () => {
    const awaited = new Map(
      [0, 1, 2].map((index) => [
        `uid-set-${index}`,
        { pod: `shop/old-${index}`, ...owner(`set-${index}`), atMs: NOW, before: new Set<string>() },
      ]),
    );
    // The pods of these three, which were evicted, are gone.
    const made = plan(fleet(30).slice(3), { awaited, proved: 2 });
    expect(names(made.evict)).to.have.length(1);
  });

  const waits: [what: string, pods: EvictionPod[], settled: boolean, waitsFor: RegExp | undefined, stops?: 'at once'][] = [
    ['while nothing has come', [waiting('b')], false, /ReplicaSet web has no replacement on a node/],
    ['while the evicted pod is ending', [waiting('web-1', { deleting: true }), waiting('b')], false, /no replacement/],
    ['while the replacement is not Ready', [waiting('b'), confined('c', { ready: false })], false, /replacement shop\/c is not Ready/],
    ['while its node does not hold the profile', [waiting('b'), waiting('c', { state: 'other' })], false, /shop\/c does not run confined/],
    ['no longer once it is Ready and confined', [waiting('b'), confined('c')], true, undefined],
    ['no longer, also where the owner made one more', [waiting('b'), confined('c'), confined('d')], true, undefined],
    ['while one more of these is not Ready', [waiting('b'), confined('c'), confined('d', { ready: false })], false, /shop\/d is not Ready/],
    ['for ever, where the replacement is not confined either', [waiting('b'), waiting('c')], false, undefined, 'at once'],
  ]; // prettier-ignore
  for (const [what, pods, settled, waitsFor, stops] of waits) {
    it(`waits ${what}`, () => {
      const made = plan(pods, { awaited: awaits(['web-1', 'b']) });
      expect(made.settled).to.deep.equal(settled ? ['uid-web'] : []);
      expect(names(made.evict)).to.deep.equal(settled ? ['b'] : []);
      const { progress } = made;
      expect(progress.kind).to.equal(stops === undefined ? 'working' : 'stopped');
      const told = progress.kind === 'working' ? progress.waitsFor : undefined;
      if (waitsFor === undefined) expect(told).to.equal(undefined);
      else
        expect(told)
          .to.match(waitsFor)
          .and.to.match(/^pod shop\/web-1 was evicted, and/);
      // Five minutes later what is not settled has failed, and nothing else is evicted for the object.
      const later = plan([...pods, ...fleet(3)], {
        awaited: awaits(['web-1', 'b']),
        proved: 5,
        now: NOW + REPLACEMENT_MS,
      });
      expect(later.progress.kind).to.equal(settled ? 'working' : 'stopped');
      expect(later.evict).to.have.length(settled ? 4 : 0);
    });
  }

  it('waits on without another pod to go, and is done then', () => {
    const open = plan([confined('c', { ready: false })], { awaited: awaits(['web-1']) });
    expect(open.progress).to.deep.include({ kind: 'working', pending: 0 });
    const done = plan([confined('c')], { awaited: awaits(['web-1']) });
    expect(done.progress).to.deep.equal({ kind: 'done' });
    expect(done.settled).to.deep.equal(['uid-web']);
  });

  it('goes on with others within these five minutes', () => {
    const made = plan([waiting('b'), ...fleet(3)], { awaited: awaits(['web-1', 'b']), proved: 1 });
    expect(names(made.evict)).to.deep.equal(['pod-0']);
  });

  it('leaves an owner that is held, says why, and takes the next', () => {
    const made = plan([waiting('a'), waiting('z', owner('zoo'))], {
      held: (uid) => (uid === 'uid-web' ? 'its budget is spent' : undefined),
    });
    expect(names(made.evict)).to.deep.equal(['z']);
    expect(made.progress).to.deep.equal({ kind: 'working', pending: 2, waitsFor: 'its budget is spent' });
  });
});
