import { expect } from 'chai';
import { settled } from './manual-clock.ts';
import { page, start, thing } from './watch-bench.ts';

describe('watch cache: callbacks and life', () => {
  it('survives callbacks that throw', async () => {
    const thrown: string[] = [];
    const { transport, cache } = start([page(10, [thing('a', 1), thing('b', 2)])], {
      onChange: (key) => {
        throw new Error(`onChange ${key}`);
      },
      project: (object) => {
        if (object.value === 'bad') throw new Error('project');
        return object.value;
      },
      onError: (error, retryInMs) => thrown.push(`${String(error)} ${retryInMs}`),
    });
    await cache.ready;
    await settled();
    transport.latestStream().send('MODIFIED', thing('a', 11, 'bad'));
    transport.latestStream().send('MODIFIED', thing('b', 12, 'good'));
    await settled();
    expect(thrown).to.deep.equal([
      'Error: onChange ns/a 0',
      'Error: onChange ns/b 0',
      'Error: project 0',
      'Error: onChange ns/b 0',
    ]);
    expect([cache.get('ns/a'), cache.get('ns/b')]).to.deep.equal(['x', 'good']);
  });

  it('keeps nothing of what projects to undefined, and calls it a deletion if it was known', async () => {
    const { transport, cache, changes } = start([page(10, [thing('a', 1, 'no'), thing('b', 2)])], {
      project: ({ value }) => (value === 'no' ? undefined : value),
    });
    await cache.ready;
    await settled();
    transport.latestStream().send('MODIFIED', thing('a', 11, 'no'));
    transport.latestStream().send('MODIFIED', thing('b', 12, 'no'));
    transport.latestStream().send('DELETED', thing('a', 13, 'no'));
    await settled();
    expect(changes).to.deep.equal(['ns/b: -→x', 'ns/b: x→-']);
    expect(cache.size()).to.equal(0);
  });

  it('tells nothing of changes that mean the same', async () => {
    const { transport, cache, changes } = start([page(10, [thing('a', 1)])], { same: (now, before) => now === before });
    await cache.ready;
    await settled();
    transport.latestStream().send('MODIFIED', thing('a', 11));
    transport.latestStream().send('MODIFIED', thing('a', 12, 'y'));
    await settled();
    expect(changes).to.deep.equal(['ns/a: -→x', 'ns/a: x→y']);
  });

  it('closes a watch that brings not even a bookmark for five minutes, and opens another', async () => {
    const { transport, clock, cache, errors } = start([page(10, [])]);
    await cache.ready;
    await clock.advance(299_000);
    transport.latestStream().send('BOOKMARK', { metadata: { resourceVersion: '11' } });
    await clock.advance(299_000);
    expect([transport.streams.length, transport.streams[0]?.closed]).to.deep.equal([1, false]);
    await clock.advance(2000);
    expect([transport.streams.length, transport.streams[0]?.closed]).to.deep.equal([2, true]);
    expect(transport.latestStream().request.query).to.include({ resourceVersion: '11' });
    expect(errors.at(-1)?.error).to.have.property('message').that.contains('the watch was silent for 300 s');
  });

  it('says when it last heard of the server', async () => {
    const { transport, clock, cache } = start([page(10, [])]);
    await cache.ready;
    await clock.advance(60_000);
    expect(cache.lastContact()).to.equal(1_000_000);
    transport.latestStream().send('BOOKMARK', { metadata: { resourceVersion: '11' } });
    await settled();
    expect(cache.lastContact()).to.equal(1_060_000);
  });

  it('stops when told to: while it watches, while it waits, and before it was ready', async () => {
    const watching = start([page(10, [])]);
    await watching.cache.ready;
    await settled();
    watching.stop.abort();
    await watching.cache.stopped;
    expect([watching.errors.length, watching.transport.latestStream().closed]).to.deep.equal([0, true]);

    const waiting = start([]);
    await settled();
    waiting.stop.abort();
    await waiting.cache.stopped;
    expect(waiting.clock.sleepers()).to.deep.equal([]);
    expect(await waiting.cache.ready.catch((error: unknown) => error)).to.equal(waiting.stop.signal.reason);

    const stopped = new AbortController();
    stopped.abort();
    const never = start([], {}, stopped);
    await never.cache.stopped;
    expect(never.transport.requests).to.deep.equal([]);
  });
});
