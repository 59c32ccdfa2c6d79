import { createReadStream } from 'node:fs';
import { readDocuments, type LintDocuments } from './documents.ts';

/** Of one file: several times what rendered charts have. */
export const MOST_INPUT_BYTES = 16 * 2 ** 20;

/** Reads and takes apart one file, or standard input for `-`. What cannot be read becomes a problem; rejects when aborted. */
export async function readInput(
  file: string,
  stdin: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<LintDocuments> {
  const text = await readText(file, stdin, signal);
  return typeof text === 'string' ? readDocuments(file, text) : { inputs: [], ignored: 0, problems: [text] };
}

async function readText(
  file: string,
  stdin: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<string | { message: string }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of file === '-' ? stdin : createReadStream(file, { signal })) {
      size += chunk.length;
      if (size > MOST_INPUT_BYTES) return { message: `is larger than ${MOST_INPUT_BYTES / 2 ** 20} MiB: divide it` };
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    return { message: `cannot be read: ${whyUnreadable(error)}` };
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    return { message: 'is not UTF-8 text' };
  }
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a folder; name its files';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
