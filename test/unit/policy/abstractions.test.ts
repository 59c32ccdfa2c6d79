import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rulesOfInclude, type IncludedRules } from '../../../src/policy/abstractions.ts';
import { includeTarget } from '../../../src/policy/include-target.ts';
import { runtimesThatSignal } from '../../../src/policy/runtime-signals.ts';
import { scanPolicy, type PolicyScan } from '../../../src/policy/scan.ts';
import { FETCH_MS, trixieCompiler } from './trixie.ts';

describe('rulesOfInclude', function included() {
  this.timeout(30_000);
  let base: string;

  before(async function fetch() {
    this.timeout(FETCH_MS);
    base = (await trixieCompiler()).basePath;
  });

  it('says of every file and folder of the image’s abstractions what it brings', () => {
    const names = [
      'abstractions',
      ...readdirSync(join(base, 'abstractions'), { recursive: true, encoding: 'utf8' }).map(
        (name) => `abstractions/${name}`,
      ),
    ];
    expect(names.length).to.be.above(100);
    for (const name of names) {
      expect(rulesOfInclude({ path: name, form: 'magic' }), name).to.deep.equal(brought(base, name));
    }
  });

  it('finds nothing where the parser finds nothing', () => {
    const nothing: IncludedRules = { allowsFiles: false, denies: false, receivesFromUnconfined: false };
    for (const path of ['local/x', 'tunables/global', 'abstractionsX', 'abi/4.0', '../x', '']) {
      expect(rulesOfInclude({ path, form: 'magic' })).to.deep.equal(nothing);
    }
    expect(rulesOfInclude({ path: 'abstractions/base', form: 'quoted' })).to.deep.equal(nothing);
    for (const path of ['abstractions//base/', './abstractions/x/../base']) {
      expect(rulesOfInclude({ path, form: 'magic' }).allowsFiles).to.equal(true);
    }
  });
});

/** The same from the files themselves, each read as the body of a profile. */
function brought(base: string, name: string, seen = new Set<string>()): IncludedRules {
  const path = join(base, name);
  const rules: IncludedRules = { allowsFiles: false, denies: false, receivesFromUnconfined: false };
  const add = (more: IncludedRules): void => {
    rules.allowsFiles ||= more.allowsFiles;
    rules.denies ||= more.denies;
    rules.receivesFromUnconfined ||= more.receivesFromUnconfined;
  };
  if (seen.has(name) || !existsSync(path)) return rules;
  seen.add(name);
  if (statSync(path).isDirectory()) {
    for (const file of readdirSync(path)) {
      // The parser passes over folders in a folder that is included.
      if (statSync(join(path, file)).isFile()) add(brought(base, `${name}/${file}`, seen));
    }
    return rules;
  }
  const scan = scanPolicy(`profile abstraction {\n${readFileSync(path, 'utf8')}\n}`);
  expect(scan.problems, name).to.deep.equal([]);
  add(ownRules(scan));
  for (const include of scan.includes) {
    if (include.profile !== 'abstraction') continue;
    const target = includeTarget(include, base, existsSync);
    if (target.kind === 'found') add(brought(base, target.path.slice(base.length + 1), seen));
  }
  return rules;
}

function ownRules({ profiles: [profile] }: PolicyScan): IncludedRules {
  if (profile === undefined) throw new Error('no profile');
  expect(profile).not.to.have.property('allowsAll');
  const labels = runtimesThatSignal(profile, []);
  expect([...labels].filter((label) => label !== 'unconfined')).to.deep.equal([]);
  return {
    allowsFiles: profile.firstFileRule !== undefined,
    denies: profile.firstDeny !== undefined,
    receivesFromUnconfined: labels.has('unconfined'),
  };
}
