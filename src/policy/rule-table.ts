import { ERROR_RULES } from './error-rules.ts';
import type { Rule } from './finding.ts';
import { WARNING_RULES } from './warning-rules.ts';

/** Every rule that needs the text alone, in the order in which findings are listed. */
export const RULES: readonly Rule[] = [...ERROR_RULES, ...WARNING_RULES];
