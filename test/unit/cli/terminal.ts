import type { Terminal } from '../../../src/cli/terminal.ts';

export interface RecordingTerminal extends Terminal {
  readonly written: { results: string; notes: string };
}

/** Keeps what is written, and gives `chunks` as standard input. */
export function recordingTerminal(...chunks: readonly string[]): RecordingTerminal {
  const written = { results: '', notes: '' };
  return {
    written,
    // oxlint-disable-next-line typescript/require-await -- as a stream is
    input: (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk);
    })(),
    result: (text) => {
      written.results += text;
    },
    note: (text) => {
      written.notes += text;
    },
  };
}
