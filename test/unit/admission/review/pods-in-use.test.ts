import { expect } from 'chai';
import { countPodsUsing } from '../../../../src/admission/review/pods-in-use.ts';
import { namedProfiles, type KubePod } from '../../../../src/controller/pods/pod-view.ts';
import { going } from '../../controller/fake-client.ts';
import { createManualClock, settled } from '../../kube/manual-clock.ts';
import { createScriptedTransport } from '../../kube/scripted-transport.ts';

function pod(name: string, profile?: string, annotation?: string): KubePod {
  return {
    metadata: {
      name,
      ...(annotation === undefined
        ? {}
        : { annotations: { 'container.apparmor.security.beta.kubernetes.io/c': annotation } }),
    },
    spec: {
      nodeName: 'a',
      containers: [
        profile === undefined
          ? {}
          : { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: profile } } },
      ],
    },
  };
}

const page = (items: KubePod[], next?: string) => ({
  items,
  metadata: { resourceVersion: '1', ...(next === undefined ? {} : { continue: next }) },
});

function world() {
  const transport = createScriptedTransport();
  const clock = createManualClock();
  const count = (profiles: string[], signal = going) =>
    countPodsUsing<KubePod>(profiles, { transport, clock, named: namedProfiles }, signal);
  return { transport, clock, count };
}

describe('countPodsUsing', () => {
  it('counts over all pages the pods that name one of the profiles, by field or annotation, or a child', async () => {
    const { transport, count } = world();
    transport.answers.push(
      page([pod('a', 'web'), pod('b', 'other'), pod('c')], 'more'),
      page([pod('d', undefined, 'localhost/web'), pod('e', 'web//child'), pod('f', 'webb'), pod('g', 'second')]),
    );
    expect(await count(['web', 'second'])).to.deep.equal({ pods: 4, complete: true });
    expect(transport.requests.map(({ query }) => query?.['fieldSelector'])).to.deep.equal([
      'spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed',
      'spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed',
    ]);
  });

  it('says what it found until the API server failed', async () => {
    const { transport, count } = world();
    transport.answers.push(page([pod('a', 'web')], 'more'));
    expect(await count(['web'])).to.deep.equal({ pods: 1, complete: false });
  });

  it('ends after three seconds with what it found', async () => {
    const { transport, clock, count } = world();
    let asked = 0;
    transport.request = async ({ signal }) => {
      asked += 1;
      if (asked === 1) return { status: 200, body: page([pod('a', 'web')], 'more') };
      await clock.sleep(60_000, signal);
      throw new Error('aborted');
    };
    const counted = count(['web']);
    await settled();
    await clock.advance(3000);
    expect(await counted).to.deep.equal({ pods: 1, complete: false });
  });

  it('ends when nobody waits any more', async () => {
    const { count } = world();
    expect(await count(['web'], AbortSignal.abort())).to.deep.equal({ pods: 0, complete: false });
  });
});
