import { expect } from 'chai';
import { fieldName, schemaFaults } from '../../../../src/cli/lint/schema.ts';

const META = { apiVersion: 'apparmor-operator.dev/v1alpha1', kind: 'AppArmorProfile', metadata: { name: 'a' } };

function faults(spec: unknown): string[] {
  return schemaFaults({ ...META, spec }).map(({ path, message, unusable }) => {
    return `${unusable ? '!' : ''}${fieldName(path)}: ${message}`;
  });
}

describe('schemaFaults', () => {
  it('finds nothing in an object with every field', () => {
    const spec = {
      policy: 'x',
      mode: 'Complain',
      nodeSelector: { 'topology.kubernetes.io/zone': 'a' },
      variants: [{ nodeSelector: { a: 'b' }, policy: 'y' }],
      pods: {
        selector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
        namespaceSelector: { matchLabels: { a: 'b' } },
        containers: ['web'],
        profile: 'x',
        priority: -1,
        restart: 'Evict',
      },
      conflictPolicy: 'Replace',
      allowHostAttachment: true,
    };
    expect(schemaFaults({ ...META, spec, status: { whatever: [1] } })).to.deep.equal([]);
  });

  const wrong: [string, unknown, string[]][] = [
    ['no policy', {}, ['!spec.policy: spec.policy is missing']],
    ['null for a policy', { policy: null }, ['!spec.policy: spec.policy is missing']],
    ['null for what may be absent', { policy: 'x', mode: null }, []],
    ['an empty policy', { policy: '' }, ['spec.policy: spec.policy is empty']],
    ['a policy that is a number', { policy: 1 }, ['!spec.policy: spec.policy must be a text, not a whole number']],
    ['a spec that is a list', [], ['!spec: spec must be an object, not a list']],
    [
      'an unknown field',
      { policy: 'x', nodeSelectr: {} },
      ['spec.nodeSelectr: spec.nodeSelectr is no field of an AppArmorProfile'],
    ],
    [
      'a field that every object has',
      { policy: 'x', toString: 1 },
      ['spec.toString: spec.toString is no field of an AppArmorProfile'],
    ],
    [
      'another word',
      { policy: 'x', mode: 'enforce' },
      ['!spec.mode: spec.mode must be Enforce or Complain, not enforce'],
    ],
    [
      'a text for a truth value',
      { policy: 'x', allowHostAttachment: 'true' },
      ['!spec.allowHostAttachment: spec.allowHostAttachment must be true or false, not a text'],
    ],
    [
      'a fraction',
      { policy: 'x', pods: { priority: 1.5 } },
      ['!spec.pods.priority: spec.pods.priority must be a whole number, not a number'],
    ],
    [
      'a label that is a number',
      { policy: 'x', nodeSelector: { a: 1 } },
      ['!spec.nodeSelector.a: spec.nodeSelector.a must be a text, not a whole number'],
    ],
    [
      'a label that is null',
      { policy: 'x', nodeSelector: { a: null } },
      ['!spec.nodeSelector.a: spec.nodeSelector.a must be a text, not empty'],
    ],
    [
      'an empty selector of a variant',
      { policy: 'x', variants: [{ policy: 'y', nodeSelector: {} }] },
      ['spec.variants[0].nodeSelector: spec.variants[0].nodeSelector has 0 entries, at least 1 must be given'],
    ],
    [
      'too many variants',
      { policy: 'x', variants: Array.from({ length: 17 }, () => ({ policy: 'y', nodeSelector: { a: 'b' } })) },
      ['spec.variants: spec.variants has 17 items, at most 16 are allowed'],
    ],
  ];
  for (const [title, spec, expected] of wrong) {
    it(`finds ${title}`, () => expect(faults(spec)).to.deep.equal(expected));
  }

  it('finds values that do not match their pattern, or are too long', () => {
    expect(faults({ policy: 'x', nodeSelector: { a: 'b c' } })[0]).to.match(
      /^spec.nodeSelector.a: .*b c does not match/,
    );
    expect(faults({ policy: 'x', nodeSelector: { a: 'b'.repeat(64) } })[0]).to.match(/has 64 characters, at most 63/);
  });

  it('counts characters as the API server does', () => {
    expect(faults({ policy: '🙂'.repeat(300_000) })).to.deep.equal([]);
    expect(faults({ policy: '🙂'.repeat(524_289) })).to.have.length(1);
  });

  it('proposes the field that is meant', () => {
    const [fault] = schemaFaults({ ...META, spec: { policy: 'x', nodeselector: {} } });
    expect(fault?.remedy).to.equal('write nodeSelector');
  });

  it('says that there is no spec, and that an object is none', () => {
    expect(schemaFaults(META)[0]?.message).to.equal('spec is missing');
    expect(schemaFaults('x')[0]?.message).to.equal('the object must be an object, not a text');
  });

  it('finds at most twenty', () => {
    const spec = { policy: 'x', ...Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, 1])) };
    expect(faults(spec)).to.have.length(20);
  });
});
