import { expect } from 'chai';
import { evictionNote } from '../../../../src/controller/evictions/eviction-note.ts';
import type { EvictionProgress } from '../../../../src/controller/evictions/plan-evictions.ts';
import { bare, waiting } from './pods.ts';

function note(progress: EvictionProgress, { denied = false, left = 0 } = {}) {
  const leftAlone = Array.from({ length: left }, (_, index) => bare(waiting(`bare-${index}`)));
  return evictionNote({ evict: [], settled: [], progress, leftAlone }, denied);
}

describe('evictionNote', () => {
  it('says nothing where nothing is to be done', () => {
    expect(note({ kind: 'done' })).to.equal(undefined);
    expect(note({ kind: 'done' }, { denied: true })).to.equal(undefined);
  });

  it('counts, and says what is waited for', () => {
    expect(note({ kind: 'working', pending: 3 })).to.deep.equal({ text: 'evicting, 3 pods to go' });
    expect(note({ kind: 'working', pending: 1, waitsFor: 'x' })?.text).to.equal('evicting, 1 pod to go, waiting: x');
  });

  it('warns where somebody has to act', () => {
    const stopped = note({ kind: 'stopped', pending: 2, message: 'pod a was evicted, and b is not Ready' });
    expect(stopped?.text).to.match(/stopped with 2 pods to go: pod a was evicted, and b is not Ready;/);
    expect(stopped?.warning).to.equal('EvictionsStopped');
    const denied = note({ kind: 'working', pending: 2 }, { denied: true });
    expect(denied?.text).to.match(/no right to do; grant it with: kubectl apply -k manifests\/evict$/);
    expect(denied?.warning).to.equal('EvictionNotPermitted');
  });

  it('adds what is left to people, with an example', () => {
    const left = '2 pods to be restarted by hand, as nobody would replace an evicted one (shop/bare-0)';
    expect(note({ kind: 'done' }, { left: 2 })).to.deep.equal({ text: left });
    expect(note({ kind: 'working', pending: 1 }, { left: 2 })?.text).to.equal(`evicting, 1 pod to go; ${left}`);
  });
});
