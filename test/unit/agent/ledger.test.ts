import { expect } from 'chai';
import { rootOf } from '../../../src/kernel/profile-name.ts';
import {
  decodeLedger,
  EMPTY_LEDGER,
  encodeLedger,
  rootsOf,
  withoutIntent,
  withoutRows,
} from '../../../src/agent/ledger.ts';
import { decodeStateFile, encodeStateFile, StateFileError } from '../../../src/agent/state-file.ts';
import { BOOT, completed, intended, ledgerOf, loadOf, recorded, wanted } from './objects.ts';

const web = wanted('web', { names: ['web', 'web//hat'] });
const web2 = wanted('web', { revision: 'web-r2' });

describe('agent/ledger', () => {
  for (const [name, root] of [
    ['web', 'web'],
    ['web//hat', 'web'],
    ['dnsmasq///usr/sbin/dnsmasq', 'dnsmasq'],
    ['a//b//c', 'a'],
    ['/usr/bin/x', '/usr/bin/x'],
    ['//odd', '//odd'],
  ] as const) {
    it(`${name} belongs to ${root}`, () => expect(rootOf(name)).to.equal(root));
  }

  it('lists each top-level name once', () => {
    expect(rootsOf(['a', 'a//b', 'c//d'])).to.deep.equal(['a', 'c']);
  });

  it('knows an intent, then a load, each with its boot', () => {
    const before = intended(EMPTY_LEDGER, web);
    expect(before.rows.get('web')).to.deep.equal({
      object: 'uid-web',
      origin: 'created',
      intent: { load: loadOf(web).id, bootID: BOOT },
    });
    const after = completed(before, web);
    expect(after.rows.get('web')).to.deep.equal({
      object: 'uid-web',
      origin: 'created',
      loaded: { load: loadOf(web).id, bootID: BOOT },
    });
    expect(after.objects.get('uid-web')).to.include({ name: 'web', lastGood: loadOf(web).id });
  });

  it('keeps the earlier load beside a new intent, and drops it after', () => {
    const both = intended(ledgerOf(web), web2);
    expect([...both.loads.keys()]).to.have.members([loadOf(web).id, loadOf(web2).id]);
    expect(both.rows.get('web')).to.have.nested.property('loaded.load', loadOf(web).id);
    expect([...completed(both, web2).loads.keys()]).to.deep.equal([loadOf(web2).id]);
  });

  it('takes an intent back that the kernel refused', () => {
    expect(withoutIntent(intended(EMPTY_LEDGER, web), loadOf(web))).to.deep.equal(EMPTY_LEDGER);
    const kept = withoutIntent(intended(ledgerOf(web), web2), loadOf(web2));
    expect(kept).to.deep.equal(ledgerOf(web));
    expect(withoutIntent(kept, loadOf(web2))).to.deep.equal(kept);
  });

  it('remembers when a profile came back, within one boot', () => {
    const unloaded = { what: 'Unloaded' as const, time: '2030-01-02T00:00:00Z' };
    const since = new Map([['web', unloaded]]);
    const back = completed(intended(ledgerOf(web), web), web, { corrections: since });
    expect(back.rows.get('web')).to.include({ loadedSince: '2030-01-02T00:00:00Z' });
    expect(recorded(back, web2).rows.get('web')).to.include({ loadedSince: '2030-01-02T00:00:00Z' });
    expect(recorded(back, web, 'boot-2').rows.get('web')).to.not.have.property('loadedSince');
    const replaced = { what: 'Replaced' as const, time: '2030-01-03T00:00:00Z' };
    const again = completed(intended(back, web), web, { corrections: new Map([['web', replaced]]) }).rows.get('web');
    expect(again).to.deep.include({ loadedSince: unloaded.time, corrected: replaced });
    expect(recorded(back, web2).rows.get('web')?.corrected).to.equal(unloaded);
    expect(recorded(back, web, 'boot-2').rows.get('web')).to.not.have.property('corrected');
  });

  it('forgets rows, and what only they needed', () => {
    expect(withoutRows(ledgerOf(web), ['web'])).to.deep.equal(EMPTY_LEDGER);
    const other = wanted('other');
    expect(withoutRows(ledgerOf(web, other), ['web'])).to.deep.equal(ledgerOf(other));
  });

  it('completes only rows that it has', () => {
    expect(completed(EMPTY_LEDGER, web)).to.deep.equal(EMPTY_LEDGER);
  });

  describe('on the disk', () => {
    const ledger = recorded(intended(ledgerOf(wanted('__proto__')), web2), web);
    const text = encodeLedger(ledger, 'node-a');

    it('is the same after reading', () => {
      expect(decodeLedger(text, 'node-a')).to.deep.equal(ledger);
    });

    const damages: [string, string][] = [
      ['empty', ''],
      ['zeroed', '\0'.repeat(100)],
      ['truncated', text.slice(0, -20)],
      ['changed', text.replace('created', 'adopted')],
      ['of another kind', encodeStateFile('last-known', 'node-a', {})],
      ['a list', '[]'],
      ['of a newer agent', text.replace('"version":1', '"version":2')],
      ['without a body', '{"format":"apparmor-operator/ledger","version":1,"node":"node-a"}'],
    ];
    for (const [what, damaged] of damages) {
      it(`is not trusted if it is ${what}`, () => {
        expect(() => decodeLedger(damaged, 'node-a')).to.throw(StateFileError);
      });
    }

    it('is not trusted if it is of another node', () => {
      expect(() => decodeLedger(text, 'node-b')).to.throw(StateFileError, 'node-a');
    });

    it('is not trusted if it refers to what is not there', () => {
      const body = { objects: [], loads: [], rows: [['web', { object: 'x', origin: 'created' }]] };
      expect(() => decodeLedger(encodeStateFile('ledger', 'n', body), 'n')).to.throw(StateFileError, 'web');
      const objects = [['x', { name: 'x', creationTimestamp: '' }]];
      const rows = [['web', { object: 'x', origin: 'created', intent: { load: 'none', bootID: 'b' } }]];
      const encoded = encodeStateFile('ledger', 'n', { objects, loads: [], rows });
      expect(() => decodeLedger(encoded, 'n')).to.throw(StateFileError, 'web');
    });
  });
});

describe('agent/state-file', () => {
  it('gives back what it was given', () => {
    const body = { b: [1, { a: null }], a: 'ü\n' };
    expect(decodeStateFile('revision', 'n', encodeStateFile('revision', 'n', body))).to.deep.equal(body);
  });
});
