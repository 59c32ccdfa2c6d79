import { connect } from 'node:http2';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { bodyText, chunksOf, linesOf } from '../../../src/kube/body.ts';
import { answer, makeKeys, startLocalServer } from './local-server.ts';

async function* chunks(...texts: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    await Promise.resolve();
    yield Buffer.from(text);
  }
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const collected: string[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}

describe('lines of an answer', () => {
  const umlaut = Buffer.from('ä');
  const cases: { title: string; chunks: (string | Buffer)[]; lines: string[] }[] = [
    { title: 'nothing', chunks: [], lines: [] },
    { title: 'one line in one chunk', chunks: ['a\n'], lines: ['a'] },
    { title: 'many lines in one chunk', chunks: ['a\nb\nc\n'], lines: ['a', 'b', 'c'] },
    { title: 'one line in many chunks', chunks: ['a', 'b', 'c', '\n'], lines: ['abc'] },
    { title: 'chunks that begin and end within lines', chunks: ['a\nb', 'c\nd', '\n'], lines: ['a', 'bc', 'd'] },
    { title: 'empty lines', chunks: ['\n\na\n\n', '\n'], lines: ['a'] },
    { title: 'a line that was cut off', chunks: ['a\nb'], lines: ['a'] },
    { title: 'a character in two chunks', chunks: [umlaut.subarray(0, 1), umlaut.subarray(1), '\n'], lines: ['ä'] },
  ];
  for (const { title, chunks: texts, lines } of cases) {
    it(`of ${title}`, async () => {
      expect(await collect(linesOf(chunks(...texts), 100))).to.deep.equal(lines);
    });
  }

  it('may be as long as allowed, whether they come whole or in pieces', async () => {
    const most = 'x'.repeat(100);
    expect(await collect(linesOf(chunks(`${most}\n`, most, '\n'), 100))).to.deep.equal([most, most]);
    for (const texts of [[`${most}x\n`], [most, 'x\n'], [most, 'x', '\n']]) {
      const outcome = await collect(linesOf(chunks(...texts), 100)).catch((error: unknown) => error);
      expect(outcome).to.include({ reason: 'ResponseTooLarge' });
    }
  });
});

describe('text of an answer', () => {
  it('is whole, up to the bound', async () => {
    expect(await bodyText(chunks('a', 'ä'), 3)).to.equal('aä');
    const outcome = await bodyText(chunks('a', 'ä'), 2).catch((error: unknown) => error);
    expect(outcome).to.include({ reason: 'ResponseTooLarge' });
  });
});

describe('chunks of a stream', () => {
  it('are all there when the peer had finished before the reading began', async () => {
    const server = await startLocalServer(await makeKeys());
    server.handle((stream) => answer(stream, 200, 'whole'));
    const session = connect(server.access.url, { ca: server.access.ca ?? '' });
    const stream = session.request({ ':path': '/' });
    await new Promise((resolve) => stream.once('response', resolve));
    while (!stream.closed) await new Promise((resolve) => setImmediate(resolve));
    expect(await text(stream)).to.equal('whole');
    session.destroy();
    await server.stop();
  });

  it('end in the error of the stream, whenever it came', async () => {
    const failed = new Readable({ read: () => undefined });
    failed.on('error', () => undefined);
    failed.destroy(new Error('earlier'));
    expect(await text(failed).catch(String)).to.equal('Error: earlier');

    const failing = new Readable({ read: () => undefined });
    const reading = text(failing).catch(String);
    failing.push('a');
    setImmediate(() => failing.destroy(new Error('later')));
    expect(await reading).to.equal('Error: later');
  });

  it('end in an error when the stream is destroyed without one', async () => {
    const stream = new Readable({ read: () => undefined });
    const reading = text(stream).catch(String);
    setImmediate(() => stream.destroy());
    expect(await reading).to.equal('Error: the answer was cut off');
  });

  it('leave no listener behind', async () => {
    const stream = Readable.from([Buffer.from('a')], { objectMode: false });
    const before = stream.eventNames().length;
    expect(await text(stream)).to.equal('a');
    expect(stream.eventNames().length).to.equal(before);
  });
});

async function text(stream: Readable): Promise<string> {
  return bodyText(chunksOf(stream), 1000);
}
