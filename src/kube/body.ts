import type { Readable } from 'node:stream';
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

/**
 * What a stream gives, until its end. Throws the stream's error, or one of ours if it is destroyed before its end.
 *
 * Not the stream's own iterator: `closed` of an HTTP/2 stream means that the peer sent everything, and the iterator takes it
 * for the loss of what is not read yet. Measured: `Premature close` for 1 to 30 % of small answers with 50 at once.
 */
export async function* chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  let failure: unknown;
  let wake: (() => void) | undefined;
  const onError = (error: unknown): void => {
    failure = error;
    wake?.();
  };
  const onChange = (): void => wake?.();
  stream.on('error', onError).on('readable', onChange).on('end', onChange).on('close', onChange);
  try {
    while (true) {
      const chunk = stream.read() as Buffer | null;
      if (chunk !== null) yield chunk;
      else if (stream.readableEnded) return;
      else if (failure !== undefined || stream.errored !== null) throw failure ?? stream.errored;
      else if (stream.destroyed) throw new Error('the answer was cut off');
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stream.off('error', onError).off('readable', onChange).off('end', onChange).off('close', onChange);
  }
}

const LINE_FEED = 0x0a;

function tooLarge(message: string): KubeError {
  return new KubeError({ status: 0, reason: 'ResponseTooLarge', message });
}
