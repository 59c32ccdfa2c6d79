import { expect } from 'chai';
import { createSerialTransport } from '../../../src/kube/serial-transport.ts';
import type { KubeRequest, KubeResponse, KubeStream, Transport } from '../../../src/kube/transport.ts';
import { settled } from './manual-clock.ts';

describe('serial transport', () => {
  it('sends a request when the one before has its answer, and a watch its headers, whatever comes of them', async () => {
    const { transport, sent, answers } = held();
    const serial = createSerialTransport(transport);
    const first = serial.request(get('/first')).catch((error: unknown) => error);
    const watch = serial.stream(get('/watch'));
    const last = serial.request(get('/last'));
    await settled();
    expect(sent).to.deep.equal(['/first']);
    const refused = new Error('refused');
    answers[0]?.reject(refused);
    expect(await first).to.equal(refused);
    await settled();
    expect(sent).to.deep.equal(['/first', '/watch']);
    answers[1]?.resolve({ lines: (async function* () {})(), close: () => undefined });
    await watch;
    await settled();
    expect(sent).to.deep.equal(['/first', '/watch', '/last']);
    answers[2]?.resolve({ status: 200, body: 'x' });
    expect(await last).to.deep.equal({ status: 200, body: 'x' });
  });
});

interface Held {
  transport: Transport;
  /** Paths, in the order in which they were sent. */
  sent: string[];
  answers: { resolve: (answer: KubeResponse | KubeStream) => void; reject: (error: Error) => void }[];
}

/** Answers when told to. */
function held(): Held {
  const sent: string[] = [];
  const answers: Held['answers'] = [];
  const send = <T>({ path }: KubeRequest): Promise<T> => {
    sent.push(path);
    return new Promise<T>((resolve, reject) => answers.push({ resolve: resolve as never, reject }));
  };
  return { transport: { request: send, stream: send, close: () => Promise.resolve() }, sent, answers };
}

function get(path: string): KubeRequest {
  return { method: 'GET', path };
}
