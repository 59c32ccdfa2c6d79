import { expect } from 'chai';
import type { PendingReason } from '../../../../src/api/reasons.ts';
import { countPods } from '../../../../src/controller/pods/count-pods.ts';
import type { MatchedPod } from '../../../../src/controller/pods/matched-pods.ts';
import { createPodEvents } from '../../../../src/controller/pods/pod-events.ts';
import type { EventNotice } from '../../../../src/kube/events.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import { podView, profileView } from '../objects.ts';

function pending(
  name: string,
  reason: PendingReason = 'NoProfile',
  more: { runsWithout?: boolean; deleting?: boolean } = {},
): MatchedPod {
  const { runsWithout = true, deleting = false } = more;
  const pod = podView({ metadata: { name, uid: `uid-${name}` } });
  return {
    key: `shop/${name}`,
    pod: { ...pod, deleting },
    outcome: { kind: 'pendingRestart', reason, message: 'why', runsWithout },
  };
}

function world() {
  const clock = createManualClock();
  const notices: EventNotice[] = [];
  const gone = new Set<string>();
  const events = createPodEvents({
    events: { record: (notice) => notices.push(notice) },
    clock,
    pod: (key) => (gone.has(key) ? undefined : { uid: `uid-${key.slice('shop/'.length)}` }),
  });
  return {
    clock,
    gone,
    notices,
    events,
    tell: (pods: MatchedPod[], profile = profileView()) => events.tell(profile, countPods(pods, {})),
    /** `name reason` since the last call. */
    told: () => notices.splice(0).map(({ regarding, reason }) => `${regarding.name} ${reason}`),
  };
}

describe('createPodEvents', () => {
  it('warns on the pod, with the object, the reason and what to do', () => {
    const { tell, notices } = world();
    expect(tell([pending('a')])).to.equal(undefined);
    expect(notices).to.deep.equal([
      {
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'a', uid: 'uid-a' },
        type: 'Warning',
        reason: 'NoProfile',
        action: 'Confine',
        note: 'AppArmorProfile web should confine it: why',
      },
    ]);
  });

  it('once for each pod and reason, whatever happens in between', () => {
    const { tell, told, gone } = world();
    tell([pending('a')]);
    tell([pending('a')]);
    tell([]);
    tell([pending('a')]);
    tell([pending('a', 'ConfinementLost')]);
    expect(told()).to.deep.equal(['a NoProfile', 'a ConfinementLost']);
    gone.add('shop/a');
    tell([]);
    gone.clear();
    tell([pending('a')]);
    expect(told()).to.deep.equal(['a NoProfile']);
  });

  for (const [title, pod, expected] of [
    ['a node that holds nothing yet', pending('a', 'NodeDoesNotHold', { runsWithout: false }), []],
    ['a node that does not hold it while it runs', pending('a', 'NodeDoesNotHold'), ['a NodeDoesNotHold']],
    ['a pod that has not started yet', pending('a', 'NoProfile', { runsWithout: false }), ['a NoProfile']],
    ['a pod that is ending', pending('a', 'NoProfile', { deleting: true }), []],
    ['a confined pod', { ...pending('a'), outcome: { kind: 'confined' } }, []],
  ] as [string, MatchedPod, string[]][]) {
    it(`${title}: ${expected.length === 0 ? 'no news' : 'told'}`, () => {
      const { tell, told } = world();
      tell([pod]);
      expect(told()).to.deep.equal(expected);
    });
  }

  it('thirty at once, then one every two seconds, none of them lost', async () => {
    const { tell, told, clock } = world();
    const many = Array.from({ length: 33 }, (_, index) => pending(`p${index}`));
    expect(tell(many)).to.equal(2000);
    expect(told()).to.have.length(30);
    expect(tell(many)).to.equal(2000);
    expect(told()).to.have.length(0);
    await clock.advance(4000);
    expect(tell(many)).to.equal(2000);
    expect(told()).to.have.length(2);
    await clock.advance(2000);
    expect(tell(many)).to.equal(undefined);
    expect(told()).to.have.length(1);
    await clock.advance(3_600_000);
    tell(Array.from({ length: 40 }, (_, index) => pending(`q${index}`)));
    expect(told()).to.have.length(30);
  });

  it('not what an earlier leader has told of already', () => {
    const { tell, told } = world();
    const pods = { matched: 2, confined: 1, complaining: 0, pendingRestart: 1, skipped: 0 };
    const before = profileView({ status: { pods } });
    tell([pending('a')], before);
    tell([pending('a'), pending('b')], before);
    expect(told()).to.deep.equal(['b NoProfile']);
  });

  it('but what came while nobody led', () => {
    const { tell, told } = world();
    const pods = { matched: 2, confined: 2, complaining: 0, pendingRestart: 0, skipped: 0 };
    tell([pending('a')], profileView({ status: { pods } }));
    expect(told()).to.deep.equal(['a NoProfile']);
  });

  it('anew for an object that was deleted and made again', () => {
    const { tell, told, events } = world();
    tell([pending('a')]);
    events.forget('web');
    tell([pending('a')]);
    expect(told()).to.deep.equal(['a NoProfile', 'a NoProfile']);
  });
});
