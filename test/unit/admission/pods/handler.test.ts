import { expect } from 'chai';
import type { AdmissionAnswer, AdmissionRequest } from '../../../../src/admission/admission-review.ts';
import { entryPath, proofName } from '../../../../src/admission/pods/entries.ts';
import { createPodHandler, PodCallError, type PodHandlerParts } from '../../../../src/admission/pods/handler.ts';
import { IN_FORCE_ANNOTATION } from '../../../../src/admission/pods/probe.ts';
import { NotAPodError } from '../../../../src/admission/pods/pod-subject.ts';
import type { PodRule } from '../../../../src/admission/pods/rule.ts';
import { systemClock } from '../../../../src/kube/clock.ts';
import { bookOf, onlyGroup, rule } from './rules.ts';

const WEB = rule('web', {
  namespaceSelector: { matchLabels: { team: 'a' } },
  selector: { matchLabels: { app: 'web' } },
});
const PATH = entryPath(onlyGroup([WEB]));
const POD = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'one' }] } };

function request(change: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    uid: 'u',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    operation: 'CREATE',
    userInfo: {},
    namespace: 'team-a',
    object: POD,
    ...change,
  };
}

function proofRequest(name: string): AdmissionRequest {
  return request({
    resource: { group: 'apparmor-operator.dev', version: 'v1alpha1', resource: 'apparmornodes' },
    name,
    object: { metadata: { name } },
  });
}

function handlerOf(rules: readonly PodRule[], change: Partial<PodHandlerParts> = {}) {
  const reads: string[] = [];
  const book = bookOf(rules);
  const handle = createPodHandler({
    ownNamespace: 'own',
    book,
    cachedLabels: () => ({ team: 'a' }),
    readLabels: (name) => {
      reads.push(name);
      return Promise.resolve({ team: 'a' });
    },
    waitMs: 20,
    someNodeCannotEnforce: () => false,
    clock: systemClock,
    ...change,
  });
  const signal = new AbortController().signal;
  return { book, reads, call: (asked = request(), path = PATH) => handle(asked, signal, path) };
}

function profiles(answer: AdmissionAnswer): unknown[] {
  if (!answer.allowed) throw new Error(answer.message);
  return (answer.patch ?? []).flatMap((each) =>
    each.path.startsWith('/spec/') && 'value' in each ? [each.value] : [],
  );
}

const confinedByWeb = [{ appArmorProfile: { type: 'Localhost', localhostProfile: 'aa-web' } }];

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  );
}

describe('the pod handler', () => {
  it('answers with the patch, from what it has cached', async () => {
    const { call, reads } = handlerOf([WEB]);
    expect(profiles(await call())).to.deep.equal(confinedByWeb);
    expect(reads).to.deep.equal([]);
  });

  it('decides by all rules, whichever entry asks', async () => {
    const high = rule('high', { selector: { matchLabels: { app: 'web' } }, priority: 1 });
    const { call } = handlerOf([WEB, high]);
    expect(profiles(await call())).to.deep.equal([
      { appArmorProfile: { type: 'Localhost', localhostProfile: 'aa-high' } },
    ]);
  });

  it('reads a namespace that is not cached, and one whose labels contradict the API server', async () => {
    for (const cached of [undefined, {}, { team: 'b' }]) {
      const { call, reads } = handlerOf([WEB], { cachedLabels: () => cached });
      expect(profiles(await call())).to.deep.equal(confinedByWeb);
      expect(reads).to.deep.equal(['team-a']);
    }
  });

  it('goes by the labels that it read: the API server was behind', async () => {
    const { call } = handlerOf([WEB], { cachedLabels: () => ({}), readLabels: () => Promise.resolve({ team: 'b' }) });
    expect(await call()).to.deep.equal({ allowed: true, patch: [] });
  });

  it('fails where the namespace cannot be read', async () => {
    const broken = new Error('no answer');
    const { call } = handlerOf([WEB], { cachedLabels: () => undefined, readLabels: () => Promise.reject(broken) });
    expect(await failure(call())).to.equal(broken);
  });

  it('refuses, and says whom to ask, while it does not know the rules that are asked for', async () => {
    const { call } = handlerOf([]);
    const answer = await call();
    expect(answer).to.deep.include({ allowed: false, code: 503, reason: 'ServiceUnavailable' });
    expect(!answer.allowed && answer.message).to.match(/ask who runs the apparmor-operator/);
  });

  it('keeps the pod on nodes that can enforce, once it knows that some cannot', async () => {
    let mixed: boolean | undefined;
    const { call } = handlerOf([WEB], { someNodeCannotEnforce: () => mixed });
    expect(await call()).to.deep.include({ allowed: false, code: 503 });
    mixed = false;
    expect(profiles(await call())).to.deep.equal(confinedByWeb);
    mixed = true;
    const [field, affinity] = profiles(await call());
    expect([field]).to.deep.equal(confinedByWeb);
    expect(JSON.stringify(affinity)).to.contain(
      '"key":"apparmor-operator.dev/enforcing","operator":"In","values":["true"]',
    );
  });

  it('waits for its watch instead, if that comes in time', async () => {
    const { call, book } = handlerOf([], { waitMs: 60_000 });
    const answer = call();
    book.set('uid-other', rule('other', { selector: { matchLabels: { app: 'other' } } }));
    book.set(WEB.object.uid, WEB);
    expect(profiles(await answer)).to.deep.equal(confinedByWeb);
  });

  it('lets go at the end of the call', async () => {
    const handle = createPodHandler({
      ownNamespace: 'own',
      book: bookOf([]),
      cachedLabels: () => ({}),
      readLabels: () => Promise.resolve({}),
      waitMs: 60_000,
      someNodeCannotEnforce: () => false,
      clock: systemClock,
    });
    expect(await handle(request(), AbortSignal.abort(), PATH)).to.include({ allowed: false });
  });

  it('answers an entry whose last rule has gone by the rules that are left', async () => {
    const { call, book } = handlerOf([WEB, rule('all')]);
    book.set(WEB.object.uid, undefined);
    expect(profiles(await call())).to.deep.equal([
      { appArmorProfile: { type: 'Localhost', localhostProfile: 'aa-all' } },
    ]);
    book.set('uid-all', undefined);
    expect(await call()).to.deep.equal({ allowed: true, patch: [] });
  });

  it('proves that the entry is in force, to its own proof alone', async () => {
    const { call } = handlerOf([WEB]);
    const group = onlyGroup([WEB]);
    expect(await call(proofRequest(proofName(group)))).to.deep.equal({
      allowed: true,
      patch: [
        {
          op: 'add',
          path: '/metadata/annotations',
          value: { [IN_FORCE_ANNOTATION]: `${group.id}/${group.version}` },
        },
      ],
    });
    expect(await call(proofRequest('node-a'))).to.deep.equal({ allowed: true });
  });

  const unexpected: [
    what: string,
    asked: AdmissionRequest,
    path: string,
    error: typeof PodCallError | typeof NotAPodError,
  ][] = [
    ['a path of no entry', request(), '/confine/pods', PodCallError],
    ['an update', request({ operation: 'UPDATE' }), PATH, PodCallError],
    ['ephemeral containers', request({ subResource: 'ephemeralcontainers' }), PATH, PodCallError],
    ['another kind', request({ resource: { group: 'apps', version: 'v1', resource: 'pods' } }), PATH, PodCallError],
    ['a pod of no namespace', { ...request(), namespace: undefined } as never, PATH, PodCallError],
    ['no pod', request({ object: {} }), PATH, NotAPodError],
  ];
  for (const [what, asked, path, error] of unexpected) {
    it(`fails at ${what}`, async () => {
      const { call } = handlerOf([WEB]);
      expect(await failure(call(asked, path))).to.be.instanceOf(error);
    });
  }
});
