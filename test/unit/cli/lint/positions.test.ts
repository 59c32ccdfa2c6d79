import { expect } from 'chai';
import { readDocuments } from '../../../../src/cli/lint/documents.ts';
import type { FieldPath } from '../../../../src/cli/lint/schema.ts';

const POLICY: FieldPath = ['spec', 'policy'];

/**
 * For every word of the text that occurs once in it and in the file: the position in the file that its position in the text is
 * said to be, and what stands there.
 */
function wordsFound(written: string): Record<string, string> {
  const file = `kind: AppArmorProfile\nspec:\n  ${written}\n`;
  const [input] = readDocuments('a.yaml', file).inputs;
  const text = (input?.value as { spec: { policy: string } } | undefined)?.spec.policy ?? '';
  const found: Record<string, string> = {};
  for (const [word] of text.matchAll(/[a-z]+/g)) {
    const before = text.slice(0, text.indexOf(word)).split('\n');
    const position = { line: before.length, column: (before.at(-1) ?? '').length + 1 };
    const at = input?.textPosition(POLICY, position) ?? { line: 0, column: 0 };
    found[word] = file.split('\n')[at.line - 1]?.slice(at.column - 1, at.column - 1 + word.length) ?? '';
  }
  return found;
}

describe('positions in the file', () => {
  const forms: Record<string, string> = {
    'a literal block': 'policy: |\n    alpha\n      beta gamma\n\n    delta # epsilon',
    'a literal block with a comment and an indent': 'policy: |2- # why\n       alpha\n      beta',
    'a literal block that begins with empty lines': 'policy: |\n\n\n    alpha\n     beta',
    'a literal block with an anchor': 'policy: &a |\n    alpha\n    beta',
    'a literal block below its key': 'policy:\n    |\n    alpha\n    beta',
    'a literal block in CRLF': 'policy: |\r\n    alpha\r\n      beta\r\n    gamma',
    'a literal block with characters of two units': 'policy: |\n    alpha 🙂 beta\n    🙂🙂 gamma',
    'a folded block': 'policy: >\n    alpha\n    beta\n\n      gamma\n     delta',
    'plain text over lines': 'policy: alpha beta\n    gamma\n\n    delta',
    'single quotes': "policy: 'alpha ''beta''\n    gamma\n\n    delta'",
    'double quotes':
      'policy: "alpha\\n\\tbeta\\\\ \\"gamma\\" \\x41\\u0042\\U0001F642 delta \\\n    epsilon\n    zeta \\\n    eta"',
    'an alias': 'x: &a |\n    alpha\n     beta\n  policy: *a',
  };
  for (const [title, written] of Object.entries(forms)) {
    it(`are those of the words in ${title}`, () => {
      const words = wordsFound(written);
      expect(Object.keys(words)).to.have.length.of.at.least(2);
      for (const [word, found] of Object.entries(words)) expect(found, word).to.equal(word);
    });
  }

  it('are not made up for what a merge key brings in', () => {
    const file = 'kind: AppArmorProfile\nspec:\n  <<: {policy: alpha}\n';
    const [input] = readDocuments('a.yaml', file).inputs;
    expect(input?.value).to.deep.nested.include({ 'spec.policy': 'alpha' });
    expect(input?.textPosition(POLICY, { line: 1, column: 1 })).to.equal(undefined);
    expect(input?.fieldPosition(POLICY)).to.deep.equal({ line: 2, column: 1 });
  });

  it('of fields are those of their names, or of what is around', () => {
    const file = 'kind: AppArmorProfile\nspec:\n  variants:\n  - policy: x\n  -\n    mode: y\n';
    const position = readDocuments('a.yaml', file).inputs[0]?.fieldPosition ?? (() => ({ line: 0, column: 0 }));
    expect(position([])).to.deep.equal({ line: 1, column: 1 });
    expect(position(['spec', 'variants', 0, 'policy'])).to.deep.equal({ line: 4, column: 5 });
    expect(position(['spec', 'variants', 1])).to.deep.equal({ line: 6, column: 5 });
    expect(position(['spec', 'variants', 2, 'policy'])).to.deep.equal({ line: 3, column: 3 });
    expect(position(['metadata', 'name'])).to.deep.equal({ line: 1, column: 1 });
    expect(position(['kind', 0])).to.deep.equal({ line: 1, column: 1 });
  });

  it('behind the end of a text are at its end', () => {
    const file = 'kind: AppArmorProfile\nspec: {policy: "alpha"}\n';
    const at = readDocuments('a.yaml', file).inputs[0]?.textPosition(POLICY, { line: 9, column: 9 });
    expect(at).to.deep.equal({ line: 2, column: 21 });
  });
});
