import { KubeError } from './errors.ts';

/** The whole of an answer as text. Throws KubeError `ResponseTooLarge` beyond `maxBytes`. */
export async function bodyText(chunks: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(`the answer has more than ${maxBytes} bytes`);
    pieces.push(chunk);
  }
  return Buffer.concat(pieces, size).toString('utf8');
}

/**
 * The lines of an answer, without their line feeds; empty lines are left out. What follows the last line feed is dropped:
 * the answer was cut off there. Throws KubeError `ResponseTooLarge` for a line longer than `maxBytes`.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const last = chunk.subarray(start, end);
      size += last.length;
      if (size > maxBytes) throw tooLarge(`a line has more than ${maxBytes} bytes`);
      const line = pieces.length === 0 ? last : Buffer.concat([...pieces, last], size);
      if (line.length > 0) yield line.toString('utf8');
      pieces = [];
      size = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      pieces.push(chunk.subarray(start));
      size += chunk.length - start;
      if (size > maxBytes) throw tooLarge(`a line has more than ${maxBytes} bytes`);
    }
  }
}

const LINE_FEED = 0x0a;

function tooLarge(message: string): KubeError {
  return new KubeError({ status: 0, reason: 'ResponseTooLarge', message });
}
