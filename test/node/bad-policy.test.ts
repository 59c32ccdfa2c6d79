import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { cluster } from './fixture.ts';
import { handMadeObject } from './hand-made.ts';
import {
  applyProfile,
  applyProfiles,
  DEADLINE_MS,
  getNodeReport,
  kernelHash,
  kernelProfiles,
  nodeReportWhen,
  profileReady,
  profilesReady,
  tryKubectl,
} from './operator.ts';

const GOOD = 'profile bad-changed {\n  file,\n}\n';
/** Passes the reading of the text, but not the compiler: line 3 uses a variable that nobody declared. */
const BAD = 'profile bad-changed {\n  file,\n  deny @{UNDECLARED}/** w,\n}\n';
const BAD_LINE = 'profile bad-line {\n  file,\n  /etc/* r\n  /tmp/* rw,\n}\n';

describe('a policy that does not compile, published past the review', () => {
  const changed = handMadeObject('bad-changed', ['bad-changed']);
  const line = handMadeObject('bad-line', ['bad-line']);
  let goodHashes: string[];

  before(async () => {
    await changed.publish(GOOD);
    await onEveryNode('holds the good text', ({ status }) => status?.loaded?.['bad-changed'] !== undefined);
    goodHashes = await Promise.all(cluster().nodes.map((node) => kernelHash(node, 'bad-changed')));
    await Promise.all([changed.publish(BAD), line.publish(BAD_LINE)]);
  });

  after(async () => {
    await Promise.all([changed.remove(), line.remove()]);
  });

  it('fails on each node with the parser’s message', async () => {
    await onEveryNode('reports the failure', ({ status }) => problemOf(status, 'bad-changed') !== undefined);
    for (const node of cluster().nodes) {
      const problem = problemOf((await getNodeReport(node)).status, 'bad-changed');
      expect(problem).to.deep.include({ state: 'Failed', reason: 'CompileFailed' });
      expect(problem?.message).to.contain('UNDECLARED').and.to.contain('stays loaded');
    }
  });

  it('reports the line of the text where the parser names one', async () => {
    await onEveryNode('reports the failure', ({ status }) => problemOf(status, 'bad-line') !== undefined);
    for (const node of cluster().nodes) {
      const problem = problemOf((await getNodeReport(node)).status, 'bad-line');
      expect(problem).to.deep.include({ state: 'Failed', reason: 'CompileFailed' });
      expect(problem?.line).to.be.oneOf([3, 4]);
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
    await changed.publish(`${GOOD}# mended\n`);
    await onEveryNode(
      'holds the mended text',
      ({ status }) => status?.loaded?.['bad-changed'] !== undefined && problemOf(status, 'bad-changed') === undefined,
    );
  });
});

describe('a policy that may not be loaded', () => {
  const refused: [string, string, string, RegExp][] = [
    ['a text that does not compile', 'bad-syntax', BAD_LINE.replace('bad-line', 'bad-syntax'), /line [34]\b/],
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

  before(async () => {
    await applyProfiles({ 'bad-turned': { policy: 'profile bad-turned { file, }' } });
    await profilesReady(['bad-turned']);
    // Until the API server knows the webhook, everything is stored, and refused only later by the controller.
    await waitFor('the review is in force', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
      const probe = ['create', '--dry-run=server', '-f', '-'];
      return (
        (await tryKubectl(probe, JSON.stringify(objectOf('bad-probe', 'profile unconfined { file, }')))).code !== 0
      );
    });
  });

  for (const [what, name, policy, message] of refused) {
    it(`${what}: refused at kubectl apply, through the Service`, async () => {
      const { code, stderr } = await tryApply(name, policy);
      expect(code).not.to.equal(0);
      expect(stderr).to.contain('review.apparmor-operator.dev').and.to.match(message);
      expect((await tryKubectl(['get', 'apparmorprofile', name])).stderr).to.contain('NotFound');
      for (const node of cluster().nodes) {
        const names = [...(await kernelProfiles(node)).keys()];
        expect(names).not.to.include(name);
        expect(names).not.to.include('docker-default');
      }
    });
  }

  it('a refused change leaves the object and what it loaded as they were', async () => {
    const before = await profileReady('bad-turned');
    expect((await tryApply('bad-turned', 'profile unconfined { file, }')).code).not.to.equal(0);
    const profile = await profileReady('bad-turned');
    expect(profile.metadata?.generation).to.equal(before.metadata?.generation);
    for (const node of cluster().nodes) expect((await kernelProfiles(node)).get('bad-turned')).to.equal('enforce');
  });

  it('control: what has nothing wrong is accepted, with its warnings', async () => {
    const { code, stderr } = await tryApply('bad-not', 'profile bad-not { file, }');
    expect(code).to.equal(0);
    expect(stderr).to.contain('Warning:').and.to.contain('no-abi');
  });
});

type Report = Awaited<ReturnType<typeof getNodeReport>>;

async function onEveryNode(what: string, condition: (report: Report) => boolean): Promise<void> {
  await Promise.all(cluster().nodes.map((node) => nodeReportWhen(node, what, condition)));
}

function problemOf(status: Report['status'], object: string) {
  return status?.problems?.find((problem) => problem.object === object && problem.state === 'Failed');
}

async function tryApply(name: string, policy: string): ReturnType<typeof tryKubectl> {
  return tryKubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(objectOf(name, policy)));
}

function objectOf(name: string, policy: string) {
  return {
    apiVersion: 'apparmor-operator.dev/v1alpha1',
    kind: 'AppArmorProfile',
    metadata: { name },
    spec: { policy },
  };
}
