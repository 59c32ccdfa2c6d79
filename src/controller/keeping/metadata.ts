import type { NewMeta } from '../new-meta.ts';

/** What others put into the metadata stays, but for owners: with another one, deleting that would delete this. */
export function mergedMetadata(wanted: NewMeta, live: NewMeta): NewMeta {
  const { managedFields: _, ...metadata } = live;
  return {
    ...metadata,
    labels: { ...metadata.labels, ...wanted.labels },
    annotations: { ...metadata.annotations, ...wanted.annotations },
    ownerReferences: wanted.ownerReferences ?? [],
  };
}

/** Whether all that is wanted of the metadata is there. */
export function hasMetadata(wanted: NewMeta, live: NewMeta): boolean {
  const { labels = {}, annotations = {}, ownerReferences = [] } = wanted;
  return (
    Object.entries(labels).every(([key, value]) => live.labels?.[key] === value) &&
    Object.entries(annotations).every(([key, value]) => live.annotations?.[key] === value) &&
    ownerReferences.every(({ uid }) => live.ownerReferences?.some((owner) => owner.uid === uid))
  );
}
