import { RULES } from '../../policy/rules.ts';
import { OBJECT_RULES, type ObjectRule } from './object-rules.ts';

/** Every rule of the review: those of one text first, then those of an object and of its trial compile. */
export const ALL_RULES: readonly ObjectRule[] = [
  ...RULES.map(({ id, severity, reason }) => ({ id, severity, reason })),
  ...OBJECT_RULES,
];
