import { expect } from 'chai';
import { createEventRecorder } from '../../../src/kube/events.ts';
import type { EventNotice, EventRecorder } from '../../../src/kube/events.ts';
import { createInMemoryClient } from './in-memory-client.ts';
import type { InMemoryClient } from './in-memory-client.ts';
import { createManualClock, settled } from './manual-clock.ts';
import type { ManualClock } from './manual-clock.ts';
import { failure } from './scripted-transport.ts';

const notice: EventNotice = {
  regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-a', uid: 'u' },
  type: 'Warning',
  reason: 'LoadFailed',
  action: 'Load',
  note: 'line 3: syntax error',
};

interface Bench {
  client: InMemoryClient;
  clock: ManualClock;
  recorder: EventRecorder;
  errors: unknown[];
  events: () => Promise<Record<string, unknown>[]>;
}

function start(): Bench {
  const client = createInMemoryClient();
  const clock = createManualClock();
  const errors: unknown[] = [];
  const recorder = createEventRecorder({
    client,
    controller: 'example.test/controller',
    instance: 'pod-1',
    clock,
    random: () => 1,
    onError: (error) => errors.push(error),
  });
  const resource = { group: 'events.k8s.io', version: 'v1', plural: 'events', namespaced: true, kind: 'Event' };
  const events = async (): Promise<Record<string, unknown>[]> =>
    (await client.list<Record<string, unknown>>(resource)).items;
  return { client, clock, recorder, errors, events };
}

describe('event recorder', () => {
  it('writes an Event of a cluster-scoped object to the namespace default', async () => {
    const { recorder, events } = start();
    recorder.record(notice);
    await settled();
    const [event] = await events();
    expect(event).to.deep.include({
      eventTime: '2030-01-01T00:00:00.000000Z',
      reportingController: 'example.test/controller',
      reportingInstance: 'pod-1',
      ...notice,
    });
    expect(event?.['metadata']).to.include({ namespace: 'default' });
    expect(event).not.to.have.property('series');
  });

  it('writes an Event of a namespaced object beside it', async () => {
    const { recorder, events } = start();
    recorder.record({ ...notice, regarding: { ...notice.regarding, namespace: 'ns', name: 'x'.repeat(253) } });
    await settled();
    const metadata = (await events())[0]?.['metadata'] as { namespace: string; name: string };
    expect(metadata.namespace).to.equal('ns');
    expect(metadata.name.length).to.be.at.most(253);
  });

  it('makes a series of what repeats within 10 min, written once a minute', async () => {
    const { recorder, client, clock, events } = start();
    recorder.record(notice);
    await settled();
    for (let second = 0; second < 90; second++) {
      recorder.record(notice);
      await clock.advance(1000);
    }
    expect(client.requests.filter((request) => request.startsWith('patch'))).to.have.length(1);
    await clock.advance(60_000);
    expect(await events()).to.have.length(1);
    expect((await events())[0]?.['series']).to.deep.equal({
      count: 91,
      lastObservedTime: '2030-01-01T00:01:29.000000Z',
    });
  });

  it('begins a new Event after 10 min of silence, and for anything that differs', async () => {
    const { recorder, clock, events } = start();
    recorder.record(notice);
    await clock.advance(600_000);
    recorder.record(notice);
    recorder.record({ ...notice, note: 'line 4' });
    recorder.record({ ...notice, type: 'Normal' });
    recorder.record({ ...notice, regarding: { ...notice.regarding, name: 'node-b' } });
    await settled();
    expect(await events()).to.have.length(5);
  });

  it('counts what repeats before the first is written', async () => {
    const { recorder, events } = start();
    recorder.record(notice);
    recorder.record(notice);
    await settled();
    expect((await events())[0]?.['series']).to.include({ count: 2 });
  });

  it('cuts notes to 1,024 bytes between characters', async () => {
    const { recorder, events } = start();
    recorder.record({ ...notice, note: 'a'.repeat(1024) });
    recorder.record({ ...notice, note: 'ä'.repeat(1000) });
    await settled();
    const notes = (await events()).map(({ note }) => String(note));
    expect(notes[0]).to.equal('a'.repeat(1024));
    expect(notes[1]).to.match(/^ä+…$/);
    expect(Buffer.byteLength(notes[1] ?? '')).to.be.within(1020, 1024);
  });

  it('tries again while the API server cannot answer, five times', async () => {
    const { recorder, client, clock, errors, events } = start();
    client.failure = failure(503, 'ServiceUnavailable');
    recorder.record(notice);
    await clock.advance(500);
    client.failure = undefined;
    await clock.advance(10_000);
    expect(await events()).to.have.length(1);

    client.failure = failure(0, 'ConnectionFailed');
    recorder.record({ ...notice, note: 'other' });
    await clock.advance(600_000);
    expect(client.requests.filter((request) => request.startsWith('create'))).to.have.length(2 + 5);
    expect(errors).to.deep.equal([client.failure]);
  });

  it('gives up at once where a new try cannot help', async () => {
    for (const error of [failure(403, 'Forbidden'), failure(404, 'NotFound'), new Error('bug')]) {
      const { recorder, client, clock, errors } = start();
      client.failure = error;
      recorder.record(notice);
      await clock.advance(600_000);
      expect(client.requests).to.have.length(1);
      expect(errors).to.deep.equal([error]);
    }
  });

  it('drops what is beyond its bound, and says so', async () => {
    const { recorder, errors } = start();
    for (let index = 0; index < 1001; index++) recorder.record({ ...notice, note: String(index) });
    expect(errors).to.have.length(1);
    await recorder.stop();
  });

  it('flushes what waits, once', async () => {
    const { recorder, client, clock, events } = start();
    recorder.record(notice);
    await recorder.flush();
    recorder.record(notice);
    await recorder.flush();
    await recorder.stop();
    await clock.advance(600_000);
    expect((await events())[0]?.['series']).to.include({ count: 2 });
    expect(client.requests.filter((request) => !request.startsWith('list'))).to.have.length(2);
  });

  it('does not throw from a flush that fails', async () => {
    const { recorder, client, errors } = start();
    client.failure = failure(503, 'ServiceUnavailable');
    recorder.record(notice);
    await recorder.flush();
    await recorder.stop();
    expect(errors.length).to.be.greaterThan(0);
  });
});
