import { ProcessTableError } from '../../../src/kernel/processes.ts';
import type { ProcessTable } from '../../../src/kernel/processes.ts';

/** A ProcessTable in memory. */
export interface InMemoryProcesses extends ProcessTable {
  /** By process id: the top-level profile that it runs under, or that it cannot be looked into. */
  running: Map<string, string>;
  /** How often all were looked at. */
  looks: number;
  /** Run at the beginning of each look at all. */
  beforeLook: () => void;
  /** Not all of them can be seen. */
  hidden: boolean;
}

export const UNREADABLE = 'UNREADABLE';

export function createInMemoryProcesses(): InMemoryProcesses {
  const table: InMemoryProcesses = {
    running: new Map(),
    looks: 0,
    beforeLook: () => undefined,
    hidden: false,
    async usersOf(profiles) {
      table.looks += 1;
      table.beforeLook();
      if (table.hidden) throw new ProcessTableError('shows 1 of 500 threads');
      const all = [...table.running];
      return new Map(
        [...profiles].map((profile) => {
          const under = all.filter(([, name]) => name === profile);
          const unreadable = all.filter(([, name]) => name === UNREADABLE);
          const pid = under[0]?.[0] ?? unreadable[0]?.[0];
          const counts = { processes: under.length, unreadable: unreadable.length };
          return [profile, pid === undefined ? counts : { ...counts, example: { pid, tid: pid } }];
        }),
      );
    },
    isUser: ({ pid }, profile) => [profile, UNREADABLE].includes(table.running.get(pid) ?? ''),
  };
  return table;
}
