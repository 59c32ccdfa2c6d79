import type { Transport } from './transport.ts';

/**
 * The same connection, with one request at a time: the next is sent when the answer is in, of a watch its headers. For a process of
 * which there are thousands: an API server drops what has waited 15 s for its turn, so that of what thousands send at once it
 * serves the part that it can and refuses the rest over and over. Measured on one core, 5,000 agents with three lists each at their start:
 * 40,000 refusals in three minutes, and 53 agents through.
 */
export function createSerialTransport(transport: Transport): Transport {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(send: () => Promise<T>): Promise<T> => {
    const answer = last.then(send);
    last = answer.catch(() => undefined);
    return answer;
  };
  return {
    request: (request) => inTurn(() => transport.request(request)),
    stream: (request) => inTurn(() => transport.stream(request)),
    close: () => transport.close(),
  };
}
