import { expect } from 'chai';
import {
  canonicalSelector,
  labelsSelectedBy,
  selectsLabels,
  type Labels,
  type LabelSelector,
  type LabelSelectorRequirement,
} from '../../../../src/admission/pods/label-selector.ts';

function requirement(
  operator: LabelSelectorRequirement['operator'],
  ...values: readonly string[]
): LabelSelectorRequirement {
  return values.length === 0 ? { key: 'a', operator } : { key: 'a', operator, values };
}

function expressions(...matchExpressions: readonly LabelSelectorRequirement[]): LabelSelector {
  return { matchExpressions };
}

describe('label selectors', () => {
  const table: [what: string, selector: LabelSelector | undefined, labels: Labels, selects: boolean][] = [
    ['absent, no labels', undefined, {}, true],
    ['absent, labels', undefined, { a: '1' }, true],
    ['empty', {}, { a: '1' }, true],
    ['empty members', { matchLabels: {}, matchExpressions: [] }, { a: '1' }, true],
    ['matchLabels, equal', { matchLabels: { a: '1' } }, { a: '1', b: '2' }, true],
    ['matchLabels, other value', { matchLabels: { a: '1' } }, { a: '2' }, false],
    ['matchLabels, absent', { matchLabels: { a: '1' } }, { b: '1' }, false],
    ['matchLabels, one of two', { matchLabels: { a: '1', b: '2' } }, { a: '1' }, false],
    ['matchLabels, both of two', { matchLabels: { a: '1', b: '2' } }, { a: '1', b: '2' }, true],
    ['matchLabels, empty value', { matchLabels: { a: '' } }, { a: '' }, true],
    ['matchLabels, empty value, absent', { matchLabels: { a: '' } }, {}, false],
    ['matchLabels, what every object inherits', { matchLabels: { constructor: '1' } }, {}, false],
    ['In, first', expressions(requirement('In', '1', '2')), { a: '1' }, true],
    ['In, second', expressions(requirement('In', '1', '2')), { a: '2' }, true],
    ['In, none', expressions(requirement('In', '1', '2')), { a: '3' }, false],
    ['In, absent', expressions(requirement('In', '1')), {}, false],
    ['NotIn, named', expressions(requirement('NotIn', '1', '2')), { a: '2' }, false],
    ['NotIn, other', expressions(requirement('NotIn', '1', '2')), { a: '3' }, true],
    ['NotIn, absent', expressions(requirement('NotIn', '1')), {}, true],
    ['NotIn, empty value', expressions(requirement('NotIn', '1')), { a: '' }, true],
    ['Exists', expressions(requirement('Exists')), { a: '1' }, true],
    ['Exists, empty value', expressions(requirement('Exists')), { a: '' }, true],
    ['Exists, absent', expressions(requirement('Exists')), { b: '1' }, false],
    ['Exists, what every object inherits', expressions({ key: 'toString', operator: 'Exists' }), {}, false],
    ['DoesNotExist', expressions(requirement('DoesNotExist')), { a: '1' }, false],
    ['DoesNotExist, absent', expressions(requirement('DoesNotExist')), { b: '1' }, true],
    ['two expressions on one key', expressions(requirement('Exists'), requirement('NotIn', '1')), { a: '1' }, false],
    ['two expressions, both hold', expressions(requirement('Exists'), requirement('NotIn', '1')), { a: '2' }, true],
    [
      'matchLabels and an expression that fails',
      { matchLabels: { a: '1' }, ...expressions({ key: 'b', operator: 'DoesNotExist' }) },
      { a: '1', b: '1' },
      false,
    ],
    ['a contradiction', { matchLabels: { a: '1' }, ...expressions(requirement('In', '2')) }, { a: '1' }, false],
  ];

  for (const [what, selector, labels, selects] of table) {
    it(`${what}: ${selects ? 'selects' : 'does not select'}`, () => {
      expect(selectsLabels(selector, labels)).to.equal(selects);
      // The canonical form means the same.
      expect(selectsLabels(canonicalSelector(selector), labels)).to.equal(selects);
    });
  }

  it('the canonical form is one for all that mean the same', () => {
    const forms: LabelSelector[] = [
      { matchLabels: { b: '2', a: '1' }, ...expressions({ key: 'c', operator: 'NotIn', values: ['y', 'x', 'y'] }) },
      { matchLabels: { a: '1', b: '2' }, ...expressions({ key: 'c', operator: 'NotIn', values: ['x', 'y'] }) },
      expressions(
        { key: 'c', operator: 'NotIn', values: ['x', 'y'] },
        { key: 'c', operator: 'NotIn', values: ['y', 'x'] },
        { key: 'b', operator: 'In', values: ['2'] },
        { key: 'a', operator: 'In', values: ['1', '1'] },
      ),
    ];
    for (const form of forms) {
      expect(JSON.stringify(canonicalSelector(form))).to.equal(
        '{"matchLabels":{"a":"1","b":"2"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["x","y"]}]}',
      );
    }
    expect(canonicalSelector(undefined)).to.deep.equal({});
    expect(canonicalSelector({ matchLabels: {}, matchExpressions: [] })).to.deep.equal({});
    expect(canonicalSelector(expressions({ key: 'a', operator: 'Exists', values: [] }))).to.deep.equal(
      expressions(requirement('Exists')),
    );
  });

  const made: [what: string, selector: LabelSelector | undefined, labels: Labels | undefined][] = [
    ['absent', undefined, {}],
    ['matchLabels', { matchLabels: { a: '1', b: '' } }, { a: '1', b: '' }],
    ['In', expressions(requirement('In', '1', '2')), { a: '1' }],
    ['In and NotIn', expressions(requirement('In', '1', '2'), requirement('NotIn', '1')), { a: '2' }],
    ['NotIn alone', expressions(requirement('NotIn', '1')), {}],
    ['Exists', expressions(requirement('Exists')), { a: 'v0' }],
    ['Exists and NotIn', expressions(requirement('Exists'), requirement('NotIn', 'v0', 'v1')), { a: 'v2' }],
    ['DoesNotExist', expressions(requirement('DoesNotExist')), {}],
    ['contradiction of values', { matchLabels: { a: '1' }, ...expressions(requirement('In', '2')) }, undefined],
    ['contradiction of presence', expressions(requirement('Exists'), requirement('DoesNotExist')), undefined],
  ];

  for (const [what, selector, labels] of made) {
    it(`labels for ${what}`, () => {
      expect(labelsSelectedBy(selector)).to.deep.equal(labels);
      if (labels !== undefined) expect(selectsLabels(selector, labels)).to.equal(true);
    });
  }
});
