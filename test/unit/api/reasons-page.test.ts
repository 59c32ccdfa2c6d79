import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { EVENT_REASON, PERMANENT_NODE_REASONS, READY_REASON, UNREACHABLE_REASON } from '../../../src/api/reasons.ts';
import { ALL_RULES } from '../../../src/admission/review/all-rules.ts';

describe('docs/reasons.md', () => {
  let page: string;
  before(async () => {
    page = await readFile(new URL('../../../docs/reasons.md', import.meta.url), 'utf8');
  });

  it('explains every reason of the API', () => {
    const all = [READY_REASON, EVENT_REASON, UNREACHABLE_REASON].flatMap((set) => Object.values(set));
    for (const reason of [...all, ...PERMANENT_NODE_REASONS])
      expect(page).to.match(new RegExp(`^\\|.*\`${reason}\`.*\\|`, 'm'));
  });

  it('lists the rules of the review as they are', () => {
    const rows = page.slice(page.indexOf('| rule |')).trim().split('\n').slice(2);
    expect(rows).to.deep.equal(ALL_RULES.map(({ id, severity, reason }) => `| \`${id}\` | ${severity} | ${reason} |`));
  });
});
