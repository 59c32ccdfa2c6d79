import type { CompileRequest, CompileResult } from '../../../src/policy/compile.ts';
import { scanPolicy } from '../../../src/policy/scan.ts';
import { compiledPolicy } from '../kernel/compiled-policy.ts';

/** Compiles what `scanPolicy` sees; a text with `BROKEN` does not compile, one with `SLOW` overruns short limits. */
export interface InMemoryCompiler {
  compile: (request: CompileRequest) => Promise<CompileResult>;
  /** Texts in the order in which they were compiled. */
  texts: string[];
  /** Awaited before each answer. */
  gate: Promise<void>;
}

export function createInMemoryCompiler(): InMemoryCompiler {
  const compiler: InMemoryCompiler = {
    texts: [],
    gate: Promise.resolve(),
    async compile({ text, mode, limits, signal }) {
      compiler.texts.push(text);
      await untilAborted(compiler.gate, signal);
      if (text.includes('SLOW') && limits.cpuSeconds < 60) return failed('CompileTimeout', 'too slow');
      if (text.includes('BROKEN')) return { ...failed('CompileFailed', 'syntax error'), line: 2 };
      const profiles = scanPolicy(text).profiles.map(({ name, flags }) => ({
        name,
        mode: mode === 'Complain' || flags.includes('complain') ? 'complain' : 'enforce',
      }));
      const warnings = text.includes('WARNS') ? [{ message: 'deprecated', line: 1 }] : [];
      return { kind: 'compiled', binary: compiledPolicy(profiles, text), warnings };
    },
  };
  return compiler;
}

function failed(
  reason: 'CompileTimeout' | 'CompileFailed',
  message: string,
): Extract<CompileResult, { kind: 'failed' }> {
  return { kind: 'failed', reason, message, stderr: message };
}

async function untilAborted(gate: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  signal?.addEventListener('abort', () => aborted.reject(new Error('aborted')));
  await Promise.race([gate, aborted.promise]);
}
