import { expect } from 'chai';
import type { LabelSelector } from '../../../../src/admission/pods/label-selector.ts';
import { selectorProblems } from '../../../../src/admission/pods/selector-problems.ts';

function labels(key: string, value = 'x'): LabelSelector {
  return { matchLabels: { [key]: value } };
}

function expression(operator: string, values?: readonly string[], key = 'a'): LabelSelector {
  return { matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) } as never] };
}

describe('what the API server would not take in a selector', () => {
  const taken: LabelSelector[] = [
    {},
    labels('a'),
    labels('A-b_c.9', ''),
    labels('example.test/a', 'a'.repeat(63)),
    labels(`${'a'.repeat(63)}.${'b'.repeat(63)}/${'c'.repeat(63)}`),
    expression('In', ['', 'a']),
    expression('NotIn', ['a', 'a']),
    expression('Exists'),
    expression('DoesNotExist', []),
  ];
  for (const selector of taken) {
    it(`takes ${JSON.stringify(selector).slice(0, 90)}`, () => {
      expect(selectorProblems(selector, 'selector')).to.deep.equal([]);
    });
  }

  const refused: [selector: LabelSelector, path: string, message: RegExp][] = [
    [labels('a b'), 'selector.matchLabels["a b"]', /^"a b" cannot be the key of a label$/],
    [labels(''), 'selector.matchLabels[""]', /key/],
    [labels('-a'), 'selector.matchLabels["-a"]', /key/],
    [labels('a/b/c'), 'selector.matchLabels["a/b/c"]', /key/],
    [labels('/a'), 'selector.matchLabels["/a"]', /key/],
    [labels('Example/a'), 'selector.matchLabels["Example/a"]', /key/],
    [labels('a..b/c'), 'selector.matchLabels["a..b/c"]', /key/],
    [labels('a'.repeat(64)), `selector.matchLabels["${'a'.repeat(64)}"]`, /key/],
    [labels(`${'a'.repeat(254)}/b`), `selector.matchLabels["${'a'.repeat(79)}…"]`, /key/],
    [labels('a', 'b c'), 'selector.matchLabels["a"]', /^"b c" cannot be the value/],
    [labels('a', 'b'.repeat(64)), 'selector.matchLabels["a"]', /value/],
    [labels('a', 'x-'), 'selector.matchLabels["a"]', /value/],
    [expression('In'), 'selector.matchExpressions[0].values', /must be given for the operator In/],
    [expression('NotIn', []), 'selector.matchExpressions[0].values', /must be given/],
    [expression('Exists', ['a']), 'selector.matchExpressions[0].values', /must be absent/],
    [expression('DoesNotExist', ['a']), 'selector.matchExpressions[0].values', /must be absent/],
    [expression('Gt', ['1']), 'selector.matchExpressions[0].operator', /none of/],
    [expression('In', ['a', '!']), 'selector.matchExpressions[0].values[1]', /value/],
    [expression('Exists', undefined, 'a!'), 'selector.matchExpressions[0].key', /key/],
  ];
  for (const [selector, path, message] of refused) {
    it(`refuses ${JSON.stringify(selector).slice(0, 90)}`, () => {
      const problems = selectorProblems(selector, 'selector');
      expect(problems.map((problem) => problem.path)).to.deep.equal([path]);
      expect(problems[0]?.message).to.match(message);
    });
  }
});
