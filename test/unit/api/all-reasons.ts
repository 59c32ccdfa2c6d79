import {
  CONTAINER_NOT_FOUND,
  EVENT_REASON,
  PENDING_REASON,
  PERMANENT_NODE_REASONS,
  PODS_REASON,
  READY_REASON,
  UNREACHABLE_REASON,
} from '../../../src/api/reasons.ts';

export const REASON_SETS: readonly (readonly string[])[] = [
  ...[READY_REASON, PODS_REASON, PENDING_REASON, EVENT_REASON, UNREACHABLE_REASON].map((set) => Object.values(set)),
  [...PERMANENT_NODE_REASONS],
  [CONTAINER_NOT_FOUND],
];
