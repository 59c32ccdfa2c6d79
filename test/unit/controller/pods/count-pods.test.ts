import { expect } from 'chai';
import { countPods } from '../../../../src/controller/pods/count-pods.ts';
import type { MatchedPod } from '../../../../src/controller/pods/matched-pods.ts';
import type { PodOutcome } from '../../../../src/controller/pods/pod-outcome.ts';
import { podView } from '../objects.ts';

const pending = (reason: 'NoProfile' | 'ConfinementLost', message = reason): PodOutcome => ({
  kind: 'pendingRestart',
  reason,
  message,
  runsWithout: true,
});
const skipped: PodOutcome = { kind: 'skipped', reason: 'OwnProfile', message: 'm' };

function matched(key: string, outcome: PodOutcome): MatchedPod {
  return { key, pod: podView(), outcome };
}

describe('countPods', () => {
  const all = [
    matched('s/z', pending('NoProfile', 'of z' as 'NoProfile')),
    matched('s/b', { kind: 'confined' }),
    matched('s/c', { kind: 'complaining' }),
    matched('s/d', pending('ConfinementLost')),
    matched('s/e', skipped),
    matched('s/f', pending('NoProfile', 'of f' as 'NoProfile')),
    matched('s/g', skipped),
  ];

  it('counts each once', () => {
    expect(countPods(all, {}).counts).to.deep.equal({
      matched: 7,
      confined: 1,
      complaining: 1,
      pendingRestart: 3,
      skipped: 2,
    });
  });

  it('groups by reason, the most frequent first, with the first by name, in whatever order they come', () => {
    for (const order of [all, all.toReversed()]) {
      const count = countPods(order, {});
      expect(count.pendingRestart).to.deep.equal([
        { reason: 'NoProfile', pods: 2, example: 's/f', message: 'of f' },
        { reason: 'ConfinementLost', pods: 1, example: 's/d', message: 'ConfinementLost' },
      ]);
      expect(count.skipped).to.deep.equal([{ reason: 'OwnProfile', pods: 2, example: 's/e', message: 'm' }]);
      expect(count.pending.map(({ key }) => key)).to.have.members(['s/z', 's/d', 's/f']);
    }
  });

  it('names of containers that no pod has, unless there is no pod', () => {
    const rule = { containers: ['web', 'wbe'] };
    expect(countPods(all, rule).missingContainers).to.deep.equal(['wbe']);
    expect(countPods([], rule).missingContainers).to.deep.equal([]);
    expect(countPods(all, {}).missingContainers).to.deep.equal([]);
  });
});
