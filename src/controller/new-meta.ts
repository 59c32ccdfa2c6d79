import type { ObjectMeta } from '../api/resources.ts';

/** Metadata of an object that is to be written: what the API server sets may be missing. */
export type NewMeta = Pick<ObjectMeta, 'name'> & Partial<ObjectMeta>;
