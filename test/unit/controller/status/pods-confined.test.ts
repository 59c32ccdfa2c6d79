import { expect } from 'chai';
import type { PodCount, PodGroup } from '../../../../src/controller/pods/count-pods.ts';
import { podsConfined } from '../../../../src/controller/status/pods-confined.ts';
import { summarize } from '../../../../src/controller/status/summarize.ts';
import { loadedOn, profileView, revisionView } from '../objects.ts';

const group = <R extends string>(reason: R, pods: number): PodGroup<R> => ({
  reason,
  pods,
  example: 'shop/a',
  message: 'why',
});

function count(counts: Partial<PodCount['counts']>, more: Partial<PodCount> = {}): PodCount {
  const none = { matched: 0, confined: 0, complaining: 0, pendingRestart: 0, skipped: 0 };
  return {
    counts: { ...none, ...counts },
    pendingRestart: [],
    skipped: [],
    missingContainers: [],
    pending: [],
    ...more,
  };
}

const one = (
  counts: Partial<PodCount['counts']>,
  ...reasons: Parameters<
    typeof group<'NoProfile' | 'ConfinementLost' | 'NodeDoesNotHold' | 'EarlierRule' | 'PartlyConfined'>
  >[0][]
) => count(counts, { pendingRestart: reasons.map((reason) => group(reason, 1)) });
const skipped = { skipped: [group('OwnProfile', 2)] };

const TABLE: [given: PodCount, expected: string, message: string][] = [
  [count({ matched: 7, confined: 7 }), 'True/Confined', '7 of 7 pods confined'],
  [count({}), 'False/NoMatchingPod', 'no pod on a node matches spec.pods'],
  [
    count({ matched: 7, confined: 5, skipped: 2 }, skipped),
    'True/Confined',
    '5 of 7 pods confined; 2 pods skipped: 2 OwnProfile (shop/a: why)',
  ],
  [
    count({ matched: 2, skipped: 2 }, skipped),
    'False/PodsSkipped',
    '0 of 2 pods confined; 2 pods skipped: 2 OwnProfile (shop/a: why)',
  ],
  [
    count({ matched: 2, confined: 1, complaining: 1 }),
    'False/Complaining',
    '1 of 2 pods confined; 1 pod under it in a mode that refuses nothing',
  ],
  [
    one({ matched: 1, pendingRestart: 1 }, 'NoProfile'),
    'False/PodsPendingRestart',
    '0 of 1 pod confined; 1 pod not: 1 NoProfile (shop/a: why)',
  ],
  [
    one({ matched: 3, pendingRestart: 2, complaining: 1 }, 'NodeDoesNotHold', 'EarlierRule'),
    'False/PodsPendingRestart',
    '0 of 3 pods confined; 2 pods not: 1 NodeDoesNotHold (shop/a: why), 1 EarlierRule (shop/a: why); 1 pod under it in a mode that refuses nothing',
  ],
  [one({ matched: 1, pendingRestart: 1 }, 'PartlyConfined'), 'False/PodsPendingRestart', '1 PartlyConfined'],
  [one({ matched: 1, pendingRestart: 1 }, 'NodeDoesNotHold'), 'False/NodeDoesNotHold', '1 NodeDoesNotHold'],
  [
    one({ matched: 2, pendingRestart: 2 }, 'NoProfile', 'ConfinementLost'),
    'False/ConfinementLost',
    '1 ConfinementLost',
  ],
  [
    count({ matched: 1, confined: 1 }, { missingContainers: ['wbe', 'x'] }),
    'True/Confined',
    '1 of 1 pod confined; spec.pods.containers names wbe, x, which no matching pod has: correct the name, or leave it out',
  ],
];

describe('podsConfined', () => {
  for (const [given, expected, message] of TABLE) {
    it(`${expected}: ${message}`, () => {
      const condition = podsConfined(given);
      expect(`${condition.status}/${condition.reason}`).to.equal(expected);
      expect(condition.message).to.contain(message);
    });
  }

  it('says what else there is to say', () => {
    expect(podsConfined(count({ matched: 1, confined: 1 }), 'evictions stopped').message).to.equal(
      '1 of 1 pod confined; evictions stopped',
    );
  });
});

describe('summarize: pods', () => {
  const base = {
    profile: profileView(),
    inForce: revisionView(),
    nodes: [loadedOn('a')],
    now: new Date('2030-01-02T00:00:00Z'),
  };

  it('has the counts, the column, the condition after Ready, and a failure for a container that is not there', () => {
    const pods = count(
      { matched: 7, confined: 5, pendingRestart: 2 },
      { ...one({}, 'NoProfile'), missingContainers: ['x'] },
    );
    const given = { ...pods, counts: { ...pods.counts, matched: 7, confined: 5, pendingRestart: 2 } };
    const status = summarize({ ...base, pods: given, podsNote: 'more' });
    expect(status).to.deep.include({ podsConfined: '5/7', pods: given.counts });
    expect(status.conditions?.map(({ type, status: state }) => `${type} ${state}`)).to.deep.equal([
      'Ready True',
      'PodsConfined False',
    ]);
    expect(status.conditions?.[1]?.message).to.match(/; more$/);
    expect(status.failures?.map(({ reason, nodes }) => ({ reason, nodes }))).to.deep.equal([
      { reason: 'ContainerNotFound', nodes: undefined },
    ]);
  });

  it('says nothing of pods without spec.pods', () => {
    const status = summarize(base);
    expect(status).not.to.have.any.keys('pods', 'podsConfined', 'failures');
    expect(status.conditions?.map(({ type }) => type)).to.deep.equal(['Ready']);
  });
});
