import { expect } from 'chai';
import {
  apiVersionOf,
  collectionPath,
  CONTROLLER_REVISIONS,
  keyOf,
  NODES,
  objectPath,
  PODS,
} from '../../../src/kube/resource.ts';

describe('resources', () => {
  it('have the paths of the API server', () => {
    expect(collectionPath(NODES)).to.equal('/api/v1/nodes');
    expect(collectionPath(PODS)).to.equal('/api/v1/pods');
    expect(collectionPath(CONTROLLER_REVISIONS, 'ns')).to.equal('/apis/apps/v1/namespaces/ns/controllerrevisions');
    expect(objectPath(PODS, { namespace: 'ns', name: 'a' })).to.equal('/api/v1/namespaces/ns/pods/a');
    expect(objectPath(NODES, { name: 'a' }, 'status')).to.equal('/api/v1/nodes/a/status');
  });

  it('ignore a namespace where the kind has none', () => {
    expect(objectPath(NODES, { namespace: 'ns', name: 'a' })).to.equal('/api/v1/nodes/a');
  });

  it('let no name leave its place in the path', () => {
    expect(objectPath(NODES, { name: 'system:node/../x?y#z' })).to.equal(
      '/api/v1/nodes/system%3Anode%2F..%2Fx%3Fy%23z',
    );
    expect(collectionPath(PODS, 'a/b')).to.equal('/api/v1/namespaces/a%2Fb/pods');
  });

  it('need names: a path without one would mean every object', () => {
    expect(() => objectPath(NODES, { name: '' })).to.throw(TypeError, 'without a name');
    expect(() => objectPath(PODS, { name: 'a' })).to.throw(TypeError, 'without a namespace');
    expect(() => objectPath(PODS, { namespace: '', name: 'a' })).to.throw(TypeError, 'without a namespace');
  });

  it('have an apiVersion, and objects a key', () => {
    expect([NODES, CONTROLLER_REVISIONS].map(apiVersionOf)).to.deep.equal(['v1', 'apps/v1']);
    expect(keyOf({ metadata: { name: 'a' } })).to.equal('a');
    expect(keyOf({ metadata: { name: 'a', namespace: 'ns' } })).to.equal('ns/a');
    expect(keyOf({})).to.equal('');
  });
});
