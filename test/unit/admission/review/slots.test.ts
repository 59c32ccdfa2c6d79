import { expect } from 'chai';
import { createSlots, type Place } from '../../../../src/admission/review/slots.ts';
import { settled } from '../../kube/manual-clock.ts';

const going = new AbortController().signal;

function line(places: number, mostWaiting = 10) {
  const slots = createSlots(places, mostWaiting);
  const called: string[] = [];
  const held = new Map<string, Place>();
  const take = async (name: string, urgency: 'urgent' | 'patient', signal = going): Promise<void> => {
    const place = await slots.take(urgency, signal);
    called.push(typeof place === 'object' ? name : `${name} ${place ?? 'left'}`);
    if (typeof place === 'object') held.set(name, place);
  };
  return { called, held, take };
}

describe('createSlots', () => {
  it('gives as many places as there are, urgent ones first, each group in order', async () => {
    const { called, held, take } = line(2);
    const all = ['a', 'b', 'c'].map((name) => take(name, 'urgent'));
    all.push(take('p', 'patient'), take('d', 'urgent'));
    await settled();
    expect(called).to.deep.equal(['a', 'b']);
    for (const name of ['a', 'b', 'c']) {
      held.get(name)?.release();
      await settled();
    }
    expect(called).to.deep.equal(['a', 'b', 'c', 'd', 'p']);
    await Promise.all(all);
  });

  it('a place is given back once', async () => {
    const { called, held, take } = line(1);
    const all = [take('a', 'urgent'), take('b', 'urgent'), take('c', 'urgent')];
    await settled();
    held.get('a')?.release();
    held.get('a')?.release();
    await settled();
    expect(called).to.deep.equal(['a', 'b']);
    held.get('b')?.release();
    await Promise.all(all);
  });

  it('who leaves the line is called no more', async () => {
    const { called, held, take } = line(1);
    const stop = new AbortController();
    const all = [take('a', 'urgent'), take('b', 'urgent', stop.signal), take('c', 'patient')];
    await settled();
    stop.abort();
    await settled();
    held.get('a')?.release();
    await Promise.all(all);
    expect(called).to.deep.equal(['a', 'b left', 'c']);
    await take('d', 'urgent', stop.signal);
    expect(called.at(-1)).to.equal('d left');
  });

  it('refuses an urgent one where too many wait, never a patient one', async () => {
    const { called, held, take } = line(1, 1);
    const all = [take('a', 'urgent'), take('b', 'urgent'), take('c', 'urgent'), take('p', 'patient')];
    await settled();
    expect(called).to.deep.equal(['a', 'c busy']);
    held.get('a')?.release();
    await settled();
    held.get('b')?.release();
    await Promise.all(all);
    expect(called).to.deep.equal(['a', 'c busy', 'b', 'p']);
  });
});
