/** Where the node tests run their pods. */
export const POD_NAMESPACE = 'node-tests';
