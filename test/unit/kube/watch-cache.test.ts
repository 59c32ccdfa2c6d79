import { expect } from 'chai';
import { settled } from './manual-clock.ts';
import { failure } from './scripted-transport.ts';
import { page, start, thing } from './watch-bench.ts';

describe('watch cache: list and watch', () => {
  it('lists, then watches from the list, and delivers each change', async () => {
    const { transport, cache, changes, syncs } = start([page(10, [thing('a', 5), thing('b', 6)])]);
    expect(cache.synced()).to.equal(false);
    await cache.ready;
    await settled();
    expect([cache.synced(), syncs(), cache.size()]).to.deep.equal([true, 1, 2]);
    expect(transport.latestStream().request).to.deep.include({
      path: '/api/v1/pods',
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: '10',
        timeoutSeconds: 2700,
        labelSelector: undefined,
        fieldSelector: undefined,
      },
    });
    transport.latestStream().send('ADDED', thing('c', 11));
    transport.latestStream().send('MODIFIED', thing('a', 12, 'y'));
    transport.latestStream().send('DELETED', thing('b', 13));
    transport.latestStream().send('DELETED', thing('unknown', 14));
    await settled();
    expect(changes).to.deep.equal(['ns/a: -→x', 'ns/b: -→x', 'ns/c: -→x', 'ns/a: x→y', 'ns/b: x→-']);
    expect(cache.keys()).to.deep.equal(['ns/a', 'ns/c']);
    expect(cache.values()).to.deep.equal(['y', 'x']);
    expect([cache.get('ns/a'), cache.get('ns/b')]).to.deep.equal(['y', undefined]);
  });

  it('asks for what it is told to', async () => {
    const { transport } = start([page(10, [])], {
      namespace: 'ns',
      labelSelector: 'a=b',
      fieldSelector: 'spec.nodeName=n',
      metadataOnly: true,
      firstList: 'cached',
    });
    await settled();
    expect(transport.requests[0]).to.deep.include({
      path: '/api/v1/namespaces/ns/pods',
      accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    });
    expect(transport.requests[0]?.query).to.include({
      labelSelector: 'a=b',
      fieldSelector: 'spec.nodeName=n',
      resourceVersion: '0',
      limit: undefined,
    });
    expect(transport.latestStream().request.accept).to.equal(
      'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    );
    expect(transport.latestStream().request.query).to.include({
      labelSelector: 'a=b',
      fieldSelector: 'spec.nodeName=n',
    });
  });

  it('reads all pages before it is synced', async () => {
    const { transport, cache, changes } = start([page(10, [thing('a', 1)], 'more'), page(10, [thing('b', 2)])]);
    await cache.ready;
    expect(changes).to.have.length(2);
    expect(transport.requests.map(({ query }) => [query?.['limit'], query?.['continue']])).to.deep.equal([
      [500, undefined],
      [500, 'more'],
    ]);
  });

  it('goes on from the last event or bookmark when the watch ends at its time, at once', async () => {
    const { transport, clock, cache, errors } = start([page(10, [])]);
    await cache.ready;
    await settled();
    transport.latestStream().send('ADDED', thing('a', 11));
    for (let minute = 0; minute < 45; minute += 3) {
      transport.latestStream().send('BOOKMARK', { metadata: { resourceVersion: `${minute + 57}` } });
      await settled();
      await clock.advance(180_000);
    }
    transport.latestStream().end();
    await settled();
    expect(transport.streams).to.have.length(2);
    expect(transport.latestStream().request.query).to.include({ resourceVersion: '99' });
    expect(transport.requests).to.have.length(1);
    expect(errors).to.deep.equal([]);
    expect(cache.keys()).to.deep.equal(['ns/a']);
  });

  it('goes on after a failure without a list, with back-off to 30 s', async () => {
    const { transport, clock, cache, errors } = start([page(10, [thing('a', 1)])]);
    await cache.ready;
    await settled();
    transport.refusals.push(...Array.from({ length: 7 }, () => failure(0, 'ConnectionFailed')));
    transport.latestStream().fail(failure(0, 'ConnectionFailed'));
    await settled();
    for (const wait of [750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500]) {
      expect(errors.at(-1)?.retryInMs).to.equal(wait);
      await clock.advance(wait);
    }
    expect(transport.streams).to.have.length(2);
    expect(transport.latestStream().request.query).to.include({ resourceVersion: '10' });
    expect(transport.requests).to.have.length(1);
    transport.latestStream().send('BOOKMARK', { metadata: { resourceVersion: '11' } });
    await settled();
    transport.latestStream().fail(new Error('again'));
    await settled();
    expect(errors.at(-1)?.retryInMs, 'an event begins the back-off anew').to.equal(750);
  });

  it('begins the back-off anew after a watch that was only quiet', async () => {
    const { transport, clock, cache, errors } = start([page(10, [])]);
    await cache.ready;
    await settled();
    for (const wait of [750, 1500]) {
      transport.latestStream().fail(new Error('down'));
      await settled();
      expect(errors.at(-1)?.retryInMs).to.equal(wait);
      await clock.advance(wait);
    }
    await clock.advance(61_000);
    transport.latestStream().fail(new Error('down'));
    await settled();
    expect(errors.at(-1)?.retryInMs).to.equal(750);
  });

  it('waits before it comes back to a server that ended the watch early', async () => {
    const { transport, clock, cache, errors } = start([page(10, [])]);
    await cache.ready;
    await settled();
    await clock.advance(5000);
    transport.latestStream().end();
    await settled();
    expect([errors.length, transport.streams.length]).to.deep.equal([1, 1]);
    await clock.advance(750);
    expect(transport.streams).to.have.length(2);
  });

  it('waits as long as the server says', async () => {
    const { transport, clock, cache, errors } = start([failure(429, 'TooManyRequests', 60), page(10, [])]);
    await settled();
    expect(errors.at(-1)?.retryInMs).to.equal(75_000);
    await clock.advance(74_999);
    expect(transport.requests).to.have.length(1);
    await clock.advance(1);
    await cache.ready;
  });

  const gone = [
    { title: 'an answer 410', refuse: true },
    { title: 'an ERROR event with code 410', event: { code: 410, reason: 'Expired', message: 'too old' } },
    { title: 'an ERROR event with reason Gone', event: { code: 500, reason: 'Gone', message: 'too old' } },
  ];
  for (const { title, refuse, event } of gone) {
    it(`lists again on ${title}, and delivers what was missed, deletions too`, async () => {
      const { transport, clock, cache, changes, syncs } = start([
        page(10, [thing('same', 1), thing('changed', 2), thing('deleted', 3)]),
      ]);
      await cache.ready;
      await settled();
      transport.answers.push(page(20, [thing('same', 1), thing('changed', 15, 'y'), thing('new', 16)]));
      changes.length = 0;
      if (refuse === true) {
        transport.refusals.push(failure(410, 'Expired'));
        transport.latestStream().fail(new Error('down'));
      } else transport.latestStream().send('ERROR', { kind: 'Status', ...event });
      await clock.advance(10_000);
      expect(changes).to.deep.equal(['ns/changed: x→y', 'ns/new: -→x', 'ns/deleted: x→-']);
      expect(transport.latestStream().request.query).to.include({ resourceVersion: '20' });
      expect(transport.requests[1]?.query).to.include({ resourceVersion: undefined, limit: 500 });
      expect(syncs()).to.equal(2);
    });
  }

  it('lists again from the beginning when the list itself expires, and deletes nothing for it', async () => {
    const { transport, clock, cache, changes } = start([
      page(10, [thing('a', 1)], 'more'),
      failure(410, 'Expired'),
      page(20, [thing('a', 1), thing('b', 2)], 'more'),
      page(20, [thing('c', 3)]),
    ]);
    await clock.advance(1000);
    await cache.ready;
    expect(changes).to.deep.equal(['ns/a: -→x', 'ns/b: -→x', 'ns/c: -→x']);
    expect(transport.requests[2]?.query).to.include({ continue: undefined });
  });

  it('keeps everything when the kind is gone, and says so', async () => {
    const { transport, clock, cache, changes, errors } = start([page(10, [thing('a', 1)])]);
    await cache.ready;
    await settled();
    changes.length = 0;
    transport.refusals.push(...Array.from({ length: 5 }, () => failure(404, 'NotFound')));
    transport.latestStream().end();
    await clock.advance(20_000);
    expect(changes).to.deep.equal([]);
    expect(cache.keys()).to.deep.equal(['ns/a']);
    expect(cache.synced()).to.equal(true);
    expect(errors.at(-1)?.error).to.include({ status: 404 });
  });

  it('keeps everything when the list after a 410 fails half-way', async () => {
    const { transport, clock, cache, changes } = start([page(10, [thing('a', 1), thing('b', 1)])]);
    await cache.ready;
    await settled();
    changes.length = 0;
    transport.answers.push(page(20, [thing('a', 15, 'y')], 'more'), failure(404, 'NotFound'));
    transport.latestStream().send('ERROR', { kind: 'Status', code: 410 });
    await clock.advance(1500);
    expect(changes).to.deep.equal(['ns/a: x→y']);
    expect(cache.keys()).to.deep.equal(['ns/a', 'ns/b']);
  });

  it('takes other ERROR events as failures of the watch', async () => {
    const { transport, clock, cache, errors } = start([page(10, [])]);
    await cache.ready;
    await settled();
    transport.latestStream().send('ERROR', { kind: 'Status', code: 504, reason: 'Timeout', message: 'etcd' });
    await clock.advance(1000);
    expect(errors.at(-1)?.error).to.include({ status: 504, reason: 'Timeout' });
    expect(transport.latestStream().request.query).to.include({ resourceVersion: '10' });
  });

  it('goes on after a line that is not JSON, from before it', async () => {
    const { transport, clock, cache, errors } = start([page(10, [])]);
    await cache.ready;
    await settled();
    transport.latestStream().sendLine('{"type":"ADDED","obj');
    await clock.advance(1000);
    expect(errors.at(-1)?.error).to.include({ reason: 'InvalidResponse' });
    expect(transport.streams).to.have.length(2);
  });

  it('ignores events that it does not know', async () => {
    const { transport, cache, changes, errors } = start([page(10, [])]);
    await cache.ready;
    await settled();
    transport.latestStream().send('SOMETHING', thing('a', 1));
    transport.latestStream().sendLine('{"type":"ADDED"}');
    transport.latestStream().send('ADDED', thing('b', 2));
    await settled();
    expect([changes, errors]).to.deep.equal([['ns/b: -→x'], []]);
  });
});
