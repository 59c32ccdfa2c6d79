import { expect } from 'chai';
import { askKindServed, kindState, type Definition } from '../../../../src/controller/unload/kind-served.ts';
import { vanishedTogether } from '../../../../src/controller/unload/vanished.ts';
import { wantedBy, type LivingObject } from '../../../../src/controller/unload/wanted-by.ts';
import { fakeClient, forbidden, going, notFound } from '../fake-client.ts';
import { HASH, nodeFacts, nodeView, profileView, revisionView } from '../objects.ts';
import { unwanted } from './rows.ts';

function accepted(hash: string, ...profiles: string[]) {
  return { kind: 'accepted', hash, profiles } as const;
}

const refused = { kind: 'refused', errors: [], more: 0 } as const;

function living(profile: object, inForce?: object): LivingObject {
  return {
    profile: profileView(profile),
    inForce: inForce === undefined ? undefined : revisionView(inForce),
  };
}

describe('wantedBy', () => {
  const node = nodeView({ labels: { pool: 'blue' } });
  for (const [title, object, why] of [
    ['it defines the name everywhere', living({}, {}), 'AppArmorProfile web defines it'],
    ['it defines it here', living({}, { nodeSelector: { pool: 'blue' } }), 'AppArmorProfile web defines it'],
    ['it defines it elsewhere', living({}, { nodeSelector: { pool: 'green' } }), undefined],
    ['it defines another name', living({ verdict: accepted(HASH, 'db') }, { profiles: ['db'] }), undefined],
    ['another object defines it', living({ name: 'other' }, {}), 'AppArmorProfile other defines it'],
    ['it is being deleted', living({ deleting: true }, {}), 'AppArmorProfile web defines it'],
    [
      'it is not published yet',
      living({ verdict: accepted('new', 'web') }),
      'AppArmorProfile web defines it and is about to be published',
    ],
    [
      'its next revision defines the name',
      living({ verdict: accepted('new', 'web') }, { profiles: ['db'] }),
      'AppArmorProfile web defines it and is about to be published',
    ],
    [
      'its next revision may select the node',
      living({ verdict: accepted('new', 'web') }, { nodeSelector: { pool: 'green' } }),
      'AppArmorProfile web defines it and is about to be published',
    ],
    [
      'its next revision does not define it',
      living({ verdict: accepted('new', 'db') }, { profiles: ['db'] }),
      undefined,
    ],
    ['it is refused and was never published', living({ verdict: refused }), 'AppArmorProfile web is refused'],
    [
      'it is refused, and what is in force defines it',
      living({ verdict: refused }, {}),
      'AppArmorProfile web defines it',
    ],
    ['it is refused, and what is in force does not', living({ verdict: refused }, { profiles: ['db'] }), undefined],
    ['another is refused', living({ name: 'other', verdict: refused }), undefined],
  ] as const) {
    it(title, () => expect(wantedBy(unwanted(), node, [object])).to.equal(why));
  }

  it('any of many', () => {
    const others = living({ name: 'other', verdict: accepted(HASH, 'db') }, { profiles: ['db'] });
    expect(wantedBy(unwanted(), node, [others, living({}, {})])).to.equal('AppArmorProfile web defines it');
    expect(wantedBy(unwanted(), node, [])).to.equal(undefined);
  });
});

function holding(name: string, ...problems: object[]) {
  return nodeFacts(name, { problems: problems.map((problem) => unwanted(problem)) });
}

describe('vanishedTogether', () => {
  const web = { object: 'web', revision: 'w' };
  const db = { object: 'db', revision: 'd' };
  for (const [title, objects, nodes, expected] of [
    ['two objects on one node', 0, [holding('a', web, db)], 'together'],
    ['two objects on two nodes', 0, [holding('a', web), holding('b', db)], 'together'],
    ['one lives', 1, [holding('a', web, db)], 'no'],
    ['it was the only one', 0, [holding('a', web, { ...web, profile: 'web-2' }), holding('b', web)], 'no'],
    ['one of them is in use', 0, [holding('a', { ...web, reason: 'InUse' }, db)], 'together'],
    ['the other was never ours', 0, [holding('a', web, { ...db, reason: 'NotOurs' })], 'no'],
    ['the other failed', 0, [holding('a', web, { ...db, state: 'Failed' })], 'no'],
    [
      'before the node restarted',
      0,
      [holding('a', web), nodeFacts('b', { bootID: 'old', problems: [unwanted(db)] })],
      'no',
    ],
    ['a node without a row', 0, [holding('a', web), nodeFacts('b', false)], 'no'],
    [
      'a second one is not yet reported',
      0,
      [nodeFacts('a', { problems: [unwanted(web)], loaded: { db: 'd' } })],
      'unclear',
    ],
    ['nor on another node', 0, [holding('a', web), nodeFacts('b', { loaded: { db: 'd' } })], 'unclear'],
    [
      'another node has not yet reported the same',
      0,
      [holding('a', web), nodeFacts('b', { loaded: { web: 'w' } })],
      'no',
    ],
    ['nothing', 0, [], 'no'],
  ] as const) {
    it(`${title}: ${expected}`, () => expect(vanishedTogether(objects, nodes)).to.equal(expected));
  }
});

describe('kindState', () => {
  const definition = {
    metadata: { name: 'x', uid: 'x', resourceVersion: '1', creationTimestamp: '2030-01-01T00:00:00Z' },
    spec: { versions: [{ name: 'v1alpha1', served: true }] },
    status: { conditions: [{ type: 'Established', status: 'True' }] },
  };
  for (const [title, change, expected] of [
    ['served', {}, 'served'],
    ['being deleted', { metadata: { ...definition.metadata, deletionTimestamp: 'x' } }, 'is being deleted'],
    ['not established', { status: { conditions: [{ type: 'Established', status: 'False' }] } }, 'is not Established'],
    ['just created', { status: undefined }, 'is not Established'],
    ['another version', { spec: { versions: [{ name: 'v1', served: true }] } }, 'does not serve v1alpha1'],
    ['not served', { spec: { versions: [{ name: 'v1alpha1', served: false }] } }, 'does not serve v1alpha1'],
    ['without versions', { spec: undefined }, 'does not serve v1alpha1'],
  ] as const) {
    it(title, async () => {
      const object = { ...definition, ...change } as Definition;
      const state = kindState(object);
      expect(state.kind === 'served' ? 'served' : state.why).to.contain(expected);
      expect(await askKindServed(fakeClient({ get: () => object }), going)).to.deep.equal(state);
    });
  }

  it('gone, or nobody knows', async () => {
    expect((await askKindServed(fakeClient({ get: () => notFound }), going)).kind).to.equal('notServed');
    expect(await askKindServed(fakeClient({ get: () => forbidden }), going)).to.deep.include({
      kind: 'unknown',
      error: forbidden,
    });
    const stopping = AbortSignal.abort(new Error('stop'));
    const asked = askKindServed(fakeClient({ get: () => forbidden }), stopping);
    expect(await asked.catch((error: unknown) => error)).to.equal(stopping.reason);
  });
});
