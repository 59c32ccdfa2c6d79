import { expect } from 'chai';
import { createRuleBook, type RuleGroup } from '../../../../src/admission/pods/rule-book.ts';
import { bookOf, onlyGroup, rule } from './rules.ts';

const selector = { matchLabels: { app: 'web' } };

describe('the rule book', () => {
  it('groups the rules of a pair of selectors, and forgets a group with its last rule', () => {
    const book = bookOf([rule('a', { selector }), rule('b', { selector, priority: 1 })]);
    expect(book.groups().map(({ rules }) => rules.map(({ object }) => object.name))).to.deep.equal([['b', 'a']]);
    book.set('uid-b', undefined);
    book.set('uid-nobody', undefined);
    expect(book.rules().map(({ object }) => object.name)).to.deep.equal(['a']);
    const [{ id } = { id: '' }] = book.groups();
    expect(book.group(id)?.rules).to.have.length(1);
    book.set('uid-a', undefined);
    expect(book.groups()).to.deep.equal([]);
    expect(book.group(id)).to.equal(undefined);
  });

  it('moves a rule whose selectors change', () => {
    const book = bookOf([rule('a', { selector }), rule('b', { selector })]);
    const [{ id } = { id: '' }] = book.groups();
    book.set('uid-b', rule('b', { since: 2 }));
    expect(book.groups()).to.have.length(2);
    expect(book.group(id)?.rules.map(({ object }) => object.name)).to.deep.equal(['a']);
  });

  it('knows what holds and what held, not what it never saw', () => {
    const first = onlyGroup([rule('a', { selector })]);
    const second = onlyGroup([rule('a', { selector, containers: ['x'], since: 2 })]);
    const both = onlyGroup([rule('a', { selector }), rule('b', { selector })]);
    expect(first.id).to.equal(second.id).and.to.equal(both.id);
    const book = bookOf([rule('a', { selector })]);
    expect(book.knows(first.id, first.version)).to.equal('known');
    expect(book.knows(second.id, second.version)).to.equal('unknown');
    expect(book.knows(both.id, both.version)).to.equal('unknown');
    book.set('uid-a', rule('a', { selector, containers: ['x'], since: 2 }));
    expect(book.knows(first.id, first.version)).to.equal('known');
    expect(book.knows(second.id, second.version)).to.equal('known');
    book.set('uid-a', undefined);
    expect(book.knows(second.id, second.version)).to.equal('known');
  });

  it('takes a rule that returns to what it was for another one, by its `since`', () => {
    const versions = [1, 3].map((since) => onlyGroup([rule('a', { selector, since })]).version);
    expect(new Set(versions).size).to.equal(2);
    // A re-created object likewise, by its uid.
    const recreated = { ...rule('a', { selector }), object: { ...rule('a').object, uid: 'another' } };
    expect(onlyGroup([recreated]).version).not.to.equal(versions[0]);
  });

  it('has the versions that replicas of another release have: these forms must not change', () => {
    const group = onlyGroup([rule('a', { selector, containers: ['x'] })]);
    expect([group.id, group.version]).to.deep.equal(['46994d8526763579', '97e0387357b3']);
  });

  it('tells of changes until it is asked not to', () => {
    const book = createRuleBook();
    let changes = 0;
    const end = book.onChange(() => (changes += 1));
    book.set('uid-a', rule('a'));
    expect(changes).to.equal(1);
    end();
    book.set('uid-a', undefined);
    expect(changes).to.equal(1);
  });

  it('remembers a bounded number of states', () => {
    const book = createRuleBook();
    for (let since = 1; since <= 10_002; since++) book.set('uid-a', rule('a', { since }));
    expect(book.knows(state(1).id, state(1).version)).to.equal('unknown');
    expect(book.knows(state(3).id, state(3).version)).to.equal('known');
    expect(book.knows(state(10_002).id, state(10_002).version)).to.equal('known');
  });
});

function state(since: number): RuleGroup {
  return onlyGroup([rule('a', { since })]);
}
