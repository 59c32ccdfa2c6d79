/** `meta/v1` ManagedFieldsEntry: what the API server notes of who wrote what. */
export interface ManagedFields {
  manager?: string;
  operation?: string;
  subresource?: string;
  /** RFC 3339. */
  time?: string;
  fieldsV1?: object;
}

/** Who changed the object last besides us, as the API server noted it: `kubectl-edit`, a controller's name. */
export function lastEditor(managedFields: readonly ManagedFields[] | undefined, ourselves: string): string | undefined {
  const others = (managedFields ?? []).filter(
    ({ subresource, manager }) => (subresource ?? '') === '' && manager !== ourselves,
  );
  const latest = others.reduce<ManagedFields | undefined>(
    (best, entry) => (best === undefined || (entry.time ?? '') > (best.time ?? '') ? entry : best),
    undefined,
  );
  return latest?.manager;
}
