import { readFile, writeFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';
import { pid as ownPid } from 'node:process';
import { errorCode } from '../../src/kernel/error-code.ts';

/** As nice takes it. */
export const LOWEST_PRIORITY = 19;

/**
 * Gives a process that leads a session the lowest priority among sessions: Linux by default shares the processors among these first, and
 * nice says nothing between them.
 */
export function yieldToSessions(pid: number): Promise<void> {
  return setSessionPriority(pid, LOWEST_PRIORITY);
}

/** This process is what in a cluster is outside, and takes what others leave of the processors, as long as the work goes on. */
export async function yielding<T>(work: () => Promise<T>): Promise<T> {
  const [ofProcess, ofSession] = [getPriority(), await sessionPriority()];
  setPriority(LOWEST_PRIORITY);
  await setSessionPriority(ownPid, LOWEST_PRIORITY);
  try {
    return await work();
  } finally {
    setPriority(ofProcess);
    await setSessionPriority(ownPid, ofSession);
  }
}

/** As `/autogroup-123 nice 0` tells it. */
async function sessionPriority(): Promise<number> {
  const text = await readFile(`/proc/${ownPid}/autogroup`, 'utf8').catch(() => '');
  return Number(/ nice (-?\d+)$/m.exec(text)?.[1] ?? 0);
}

async function setSessionPriority(pid: number, priority: number): Promise<void> {
  try {
    await writeFile(`/proc/${pid}/autogroup`, String(priority));
  } catch (error) {
    // A kernel without it compares processes alone, as nice does.
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
