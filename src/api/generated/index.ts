// Generated from crds/ by scripts/generate-api.ts (npm run generate): do not edit.
export type * from './apparmornode.ts';
export type * from './apparmorprofile.ts';
