import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { ALL_RULES } from '../../../src/admission/review/all-rules.ts';
import { REASON_SETS } from './all-reasons.ts';

describe('docs/reasons.md', () => {
  let page: string;
  before(async () => {
    page = await readFile(new URL('../../../docs/reasons.md', import.meta.url), 'utf8');
  });

  it('explains every reason of the API', () => {
    for (const reason of REASON_SETS.flat()) expect(page).to.match(new RegExp(`^\\|.*\`${reason}\`.*\\|`, 'm'));
  });

  it('lists the rules of the review as they are', () => {
    const rows = page.slice(page.indexOf('| rule |')).trim().split('\n').slice(2);
    expect(rows).to.deep.equal(ALL_RULES.map(({ id, severity, reason }) => `| \`${id}\` | ${severity} | ${reason} |`));
  });
});
