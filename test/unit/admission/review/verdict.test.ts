import { expect } from 'chai';
import { judge } from '../../../../src/admission/review/verdict.ts';
import { policy, profileObject } from '../../controller/objects.ts';

function errorsOf(spec: Parameters<typeof profileObject>[0]): string[] {
  const verdict = judge(profileObject(spec));
  return verdict.kind === 'accepted' ? [] : verdict.errors.map(({ rule, field }) => `${field}: ${rule}`);
}

const hashOf = (spec: Parameters<typeof profileObject>[0], metadata = {}): string => {
  const verdict = judge(profileObject(spec, metadata));
  return verdict.kind === 'accepted' ? verdict.hash : '';
};

describe('judge', () => {
  it('makes the content of the revision, and nothing else of the object', () => {
    const verdict = judge(
      profileObject({
        policy: policy('web', 'worker'),
        mode: 'Complain',
        nodeSelector: { os: 'ubuntu' },
        variants: [{ nodeSelector: { disk: 'ssd' }, policy: policy('worker', 'web') }],
        conflictPolicy: 'Replace',
      }),
    );
    expect(verdict.kind).to.equal('accepted');
    expect(verdict).to.deep.include({
      content: {
        object: { name: 'web', uid: 'uid-web', creationTimestamp: '2030-01-01T00:00:00Z' },
        policy: policy('web', 'worker'),
        profiles: ['web', 'worker'],
        mode: 'Complain',
        nodeSelector: { os: 'ubuntu' },
        variants: [{ nodeSelector: { disk: 'ssd' }, policy: policy('worker', 'web') }],
        conflictPolicy: 'Replace',
      },
    });
  });

  it('gives the same hash for what means the same, and another for what does not', () => {
    const plain = hashOf({});
    expect(plain).to.match(/^[0-9a-f]{12}$/);
    for (const same of [{ nodeSelector: {} }, { variants: [] }, { conflictPolicy: 'Refuse' }] as const) {
      expect(hashOf({ ...same } as object)).to.equal(plain);
    }
    expect(hashOf({ allowHostAttachment: true })).to.equal(plain);
    expect(hashOf({}, { generation: 5, labels: { a: 'b' } })).to.equal(plain);
    expect(hashOf({}, { uid: 'other' })).not.to.equal(plain);
    expect(hashOf({ policy: `${policy('web')}#` })).not.to.equal(plain);
    expect(hashOf({ mode: 'Complain' })).not.to.equal(plain);
  });

  for (const [title, spec, errors] of [
    ['a text without a profile', { policy: '# nothing' }, ['policy: no-profile']],
    ['spec.pods without a selector, where CEL let it through', { pods: {} }, ['pods: pods-selector-missing']],
    [
      'a variant that lacks a name and has another',
      { variants: [{ nodeSelector: { a: 'b' }, policy: policy('other') }] },
      ['variants[0].policy: variant-names'],
    ],
    [
      'a variant with one name more',
      { variants: [{ nodeSelector: { a: 'b' }, policy: policy('web', 'more') }] },
      ['variants[0].policy: variant-names'],
    ],
    [
      'texts that are too large together',
      {
        policy: policy('web') + '#'.repeat(300_000),
        variants: [{ nodeSelector: { a: 'b' }, policy: '#'.repeat(300_000) }],
      },
      ['policy: texts-too-large'],
    ],
    [
      'a rule broken in a variant',
      { variants: [{ nodeSelector: { a: 'b' }, policy: 'profile web /usr/bin/web { file, }' }] },
      ['variants[0].policy: host-attachment'],
    ],
  ] as const) {
    it(`refuses ${title}`, () => expect(errorsOf(spec as never)).to.deep.equal(errors));
  }

  it('names what differs in a variant', () => {
    const verdict = judge(profileObject({ variants: [{ nodeSelector: { a: 'b' }, policy: policy('other') }] }));
    expect(verdict.kind === 'refused' && verdict.errors[0]?.message).to.equal(
      'this text does not define web and defines other besides; policy defines web',
    );
  });

  it('accepts a host attachment only where the object allows it', () => {
    const text = 'profile web /usr/bin/web { file, }';
    expect(errorsOf({ policy: text })).to.deep.equal(['policy: host-attachment']);
    expect(errorsOf({ policy: text, allowHostAttachment: true })).to.deep.equal([]);
  });

  describe('large-for-client-side-apply', () => {
    const text = `${policy('web')}#${' '.repeat(110 * 1024)}`;
    const large = { policy: text, variants: [{ nodeSelector: { a: 'b' }, policy: text }] };
    const applied = { managedFields: [{ manager: 'kubectl', operation: 'Apply' }] };
    for (const [title, spec, metadata, warned] of [
      [
        'by client-side apply',
        large,
        { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
        true,
      ],
      ['by create or from a file', large, {}, true],
      ['by an update alone', large, { managedFields: [{ manager: 'kubectl', operation: 'Update' }] }, true],
      ['with a status alone applied', large, { managedFields: [{ operation: 'Apply', subresource: 'status' }] }, true],
      ['by server-side apply', large, applied, false],
      [
        'by server-side apply, with a copy of itself',
        large,
        { ...applied, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
        true,
      ],
      ['a small one', { policy: text }, {}, false],
    ] as const) {
      it(`${title}: ${warned ? 'warned of' : 'nothing'}`, () => {
        const verdict = judge(profileObject(spec, metadata));
        expect(verdict.warnings.some(({ rule }) => rule === 'large-for-client-side-apply')).to.equal(warned);
      });
    }
  });
});
