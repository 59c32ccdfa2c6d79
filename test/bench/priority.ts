import { writeFile } from 'node:fs/promises';
import { errorCode } from '../../src/kernel/error-code.ts';

/** As nice takes it. */
export const LOWEST_PRIORITY = 19;

/**
 * Gives a process that leads a session the lowest priority among sessions: Linux by default shares the processors among these first, and
 * nice says nothing between them.
 */
export async function yieldToSessions(pid: number): Promise<void> {
  try {
    await writeFile(`/proc/${pid}/autogroup`, String(LOWEST_PRIORITY));
  } catch (error) {
    // A kernel without it compares processes alone, as nice does.
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
