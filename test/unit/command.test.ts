import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { requiredVariable, UsageError, wholeNumber } from '../../src/command.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

describe('command line', () => {
  it('names its subcommands and exits with 2 when called with none or an unknown one', () => {
    for (const args of [[], ['toString'], ['controlller']]) {
      const child = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
      expect(child.stderr).to.contain('usage: apparmor-operator {agent|controller}');
      expect(child.status).to.equal(2);
    }
  });

  it('requiredVariable returns a value and names what is missing', () => {
    expect(requiredVariable({ NODE_NAME: 'node-a' }, 'NODE_NAME')).to.equal('node-a');
    for (const env of [{}, { NODE_NAME: '' }]) {
      expect(() => requiredVariable(env, 'NODE_NAME')).to.throw(UsageError, /NODE_NAME is not set/);
    }
  });

  describe('wholeNumber', () => {
    const range = { least: 0, most: 65_535 };
    for (const [value, expected] of [
      ['0', 0],
      ['8080', 8080],
      ['65535', 65_535],
    ] as const) {
      it(`reads ${value}`, () => {
        expect(wholeNumber('health-port', value, range)).to.equal(expected);
      });
    }
    for (const value of ['', '-1', '65536', '1.5', '0x10', 'eight', ' 8']) {
      it(`refuses '${value}'`, () => {
        expect(() => wholeNumber('health-port', value, range)).to.throw(
          UsageError,
          /--health-port takes a whole number/,
        );
      });
    }
  });
});
