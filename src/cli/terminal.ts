/** The streams of the process. */
export interface Terminal {
  input: AsyncIterable<Uint8Array>;
  /** To standard output. */
  result(text: string): void;
  /** To standard error. */
  note(text: string): void;
}

/** A reader that went away, as `head` does, is no error: what it did not want is not written. */
export function processTerminal(process: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'>): Terminal {
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) stream.on('error', ignoreBrokenPipe);
  return {
    // Opened only by who reads it.
    get input() {
      return process.stdin;
    },
    result: (text) => void stdout.write(text),
    note: (text) => void stderr.write(text),
  };
}

function ignoreBrokenPipe(error: Error): void {
  if (!('code' in error && error.code === 'EPIPE')) throw error;
}
