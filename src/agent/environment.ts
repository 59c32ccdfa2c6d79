import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import type { PolicyCompiler } from './compile-slot.ts';

/** What the node compiles with. */
export interface Environment {
  /** Of the kernel's features, the parser and the abstractions: when it changes, policies are compiled again. */
  hash: string;
  /** Version of apparmor_parser; absent if it could not be asked. */
  parser?: string;
}

/** Never throws: without a parser, what was compiled before can still be loaded. */
export async function readEnvironment(compiler: PolicyCompiler, clock: Clock, log: Logger): Promise<Environment> {
  const ask = async (what: 'version' | 'fingerprint'): Promise<string | undefined> => {
    try {
      return await compiler[what]();
    } catch (error) {
      log.error(`the ${what} of the policy compiler cannot be read`, { error });
      return undefined;
    }
  };
  const [parser, fingerprint] = await Promise.all([ask('version'), ask('fingerprint')]);
  // Another one at each start, so that nothing compiled with who knows what outlives this process.
  const hash = fingerprint ?? `unknown since ${clock.date().toISOString()}`;
  log.info('policies are compiled with this', { parser, fingerprint: hash });
  return { hash, ...(parser === undefined ? {} : { parser }) };
}
