import { expect } from 'chai';
import { cluster } from './fixture.ts';
import {
  applyProfile,
  conditionOf,
  getNodeReport,
  kernelHash,
  kernelProfiles,
  kubectl,
  profileReady,
  profileWhen,
} from './operator.ts';

const GOOD = 'profile bad-changed {\n  file,\n}\n';
/** Passes the reading of the text, but not the compiler: line 3 uses a variable that nobody declared. */
const BAD = 'profile bad-changed {\n  file,\n  deny @{UNDECLARED}/** w,\n}\n';

describe('a policy that does not compile', () => {
  let goodHashes: string[];

  before(async () => {
    await applyProfile('bad-changed', { policy: GOOD });
    await profileReady('bad-changed');
    goodHashes = await Promise.all(cluster().nodes.map((node) => kernelHash(node, 'bad-changed')));
    await applyProfile('bad-changed', { policy: BAD });
  });

  it('fails with the parser’s message and the line of the user’s text, in the object’s status', async () => {
    const profile = await profileWhen(
      'bad-changed',
      'failed on every node',
      ({ status }) => status?.nodes?.failed === cluster().nodes.length,
    );
    const [failure] = profile.status?.failures ?? [];
    expect(failure).to.deep.include({ reason: 'CompileFailed', nodes: cluster().nodes.length });
    expect(failure?.message).to.contain('UNDECLARED');
    expect(cluster().nodes.map(({ name }) => name)).to.include(failure?.example);
    expect(conditionOf(profile, 'Ready')).to.deep.include({ status: 'False' });
  });

  it('reports the line where the parser names one', async () => {
    await applyProfile('bad-line', { policy: 'profile bad-line {\n  file,\n  /etc/* r\n  /tmp/* rw,\n}\n' });
    const profile = await profileWhen(
      'bad-line',
      'failed on every node',
      ({ status }) => status?.nodes?.failed === cluster().nodes.length,
    );
    expect(profile.status?.failures?.[0]?.line).to.be.oneOf([3, 4]);
    for (const node of cluster().nodes) {
      const row = (await getNodeReport(node)).status?.problems?.find((problem) => problem.profile === 'bad-line');
      expect(row).to.deep.include({ state: 'Failed', object: 'bad-line', line: profile.status?.failures?.[0]?.line });
    }
  });

  it('leaves the last good version in the kernel', async () => {
    for (const [index, node] of cluster().nodes.entries()) {
      expect((await kernelProfiles(node)).get('bad-changed')).to.equal('enforce');
      expect(await kernelHash(node, 'bad-changed')).to.equal(goodHashes[index]);
    }
  });

  it('harms no other object: the next good one is loaded', async () => {
    await applyProfile('bad-neighbour', { policy: 'profile bad-neighbour { file, }' });
    await profileReady('bad-neighbour');
  });

  it('is put right by a good text', async () => {
    await applyProfile('bad-changed', { policy: `${GOOD}# mended\n` });
    const profile = await profileReady('bad-changed');
    expect(profile.status?.failures ?? []).to.deep.equal([]);
  });
});

describe('a policy that may not be loaded', () => {
  const refused: [string, string, string, RegExp][] = [
    ['a reserved name', 'bad-reserved', 'profile docker-default { file, }', /docker-default/],
    [
      'a second profile of a reserved name',
      'bad-smuggled',
      'profile bad-smuggled { file, }\n  profile docker-default { file, }',
      /docker-default/,
    ],
    [
      'an attachment to host executables',
      'bad-attached',
      'profile bad-attached /usr/bin/true { file, }',
      /allowHostAttachment/,
    ],
    [
      'an include outside the tree',
      'bad-include',
      'profile bad-include {\n  #include "/etc/passwd"\n}',
      /\/etc\/passwd/,
    ],
    ['a name in another policy namespace', 'bad-namespace', 'profile :other://x { file, }', /namespace/],
  ];

  for (const [what, name, policy, message] of refused) {
    it(`${what}: refused before anything is published`, async () => {
      await applyProfile(name, { policy });
      const profile = await profileWhen(name, 'refused', (object) => conditionOf(object, 'Stalled')?.status === 'True');
      expect(conditionOf(profile, 'Ready')).to.deep.include({ status: 'False', reason: 'PolicyRefused' });
      expect(conditionOf(profile, 'Stalled')?.message).to.match(message);
      const revisions = await kubectl([
        'get',
        'controllerrevisions',
        '-n',
        'apparmor-operator',
        '-l',
        `apparmor-operator.dev/object-uid=${profile.metadata?.uid}`,
        '-o',
        'name',
      ]);
      expect(revisions).to.equal('');
      for (const node of cluster().nodes) {
        const names = [...(await kernelProfiles(node)).keys()];
        expect(names).not.to.include(name);
        expect(names).not.to.include('docker-default');
      }
    });
  }

  it('a refused change leaves the revision before it in force, and says so', async () => {
    await applyProfile('bad-turned', { policy: 'profile bad-turned { file, }' });
    const good = await profileReady('bad-turned');
    await applyProfile('bad-turned', { policy: 'profile unconfined { file, }' });
    const profile = await profileWhen(
      'bad-turned',
      'refused',
      (object) => conditionOf(object, 'Stalled')?.status === 'True',
    );
    expect(profile.status?.revision).to.equal(good.status?.revision);
    for (const node of cluster().nodes) expect((await kernelProfiles(node)).get('bad-turned')).to.equal('enforce');
  });
});
