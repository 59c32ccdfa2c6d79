import type { Logger } from '../../../src/log.ts';

/** A Logger that only remembers. */
export interface SilentLog extends Logger {
  /** `level message` of each call. */
  lines: string[];
}

export function silentLog(): SilentLog {
  const lines: string[] = [];
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: SilentLog = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return log;
}
