import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reviewPolicy } from '../../src/policy/rules.ts';
import { compiledCorpus, type CorpusPolicy } from '../corpus/compiled-corpus.ts';
import { defaultCacheFolder } from '../testbed/cache.ts';
import type { TestNode } from '../testbed/node.ts';
import { run } from '../testbed/process.ts';
import { cluster } from './fixture.ts';
import { inNode, kernelProfiles } from './operator.ts';

const POLICIES = 500;

interface Loaded {
  file: string;
  binary: string;
  /** Sorted, as the review reports them. */
  names: readonly string[];
}

describe('the parser’s own tests, in a real kernel', () => {
  let policies: readonly Loaded[];
  let node: TestNode;

  before('compile them, and bring them to a node', async function prepare() {
    // From nothing, 2000 policies have to be compiled first.
    this.timeout(20 * 60_000);
    const [first] = cluster().nodes;
    if (first === undefined) throw new Error('this test needs a node');
    node = first;
    policies = chosen(await compiledCorpus({ folder: defaultCacheFolder(process.env), log: console.log }));
    await bring(node, policies);
  });

  after(async () => {
    await inNode(node, `rm -r ${FOLDER}`);
  });

  it(`${POLICIES} of them have the names that the review reports, and leave nothing behind`, async () => {
    expect(policies).to.have.length(POLICIES);
    const inKernel = await namesInKernel(node);
    const different = policies.flatMap(({ file, names }, index) => {
      const loaded = inKernel[index]?.join(', ') ?? 'nothing';
      return loaded === names.join(', ') ? [] : [`${file}: reported ${names.join(', ')}; loaded ${loaded}`];
    });
    expect(different.join('\n')).to.equal('');
    // Of a policy namespace below its own the kernel's list shows the profiles, too, as `:corpus://NAME`.
    expect([...(await kernelProfiles(node)).keys()].filter((name) => name.startsWith(':'))).to.deep.equal([]);
  });
});

/** Those that the review accepts: every one with children, and of the others as many as are wanted, from all folders. */
function chosen(corpus: readonly CorpusPolicy[]): readonly Loaded[] {
  const accepted = corpus.flatMap(({ file, text, compiled }): readonly Loaded[] => {
    const { findings, allProfiles } = reviewPolicy({ text, allowHostAttachment: true });
    if (compiled === undefined || findings.some(({ severity }) => severity === 'error')) return [];
    return [{ file, binary: compiled.binary, names: allProfiles.map(({ name }) => name).toSorted() }];
  });
  const large = accepted.filter(({ names }) => names.length > 1);
  const small = accepted.filter(({ names }) => names.length === 1);
  const wanted = POLICIES - large.length;
  return [
    ...large,
    ...Array.from({ length: wanted }, (_, index) => at(small, Math.floor((index * small.length) / wanted))),
  ];
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`nothing at ${index}`);
  return found;
}

const FOLDER = '/var/tmp/corpus';

async function bring(node: TestNode, policies: readonly Loaded[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'corpus-'));
  try {
    const links = join(folder, 'links');
    await mkdir(links);
    for (const [index, { binary }] of policies.entries()) await symlink(binary, join(links, `${index}`));
    const archive = join(folder, 'archive.tar.gz');
    await run('tar', ['-c', '-z', '-h', '-f', archive, '-C', links, '.']);
    const unpack = `mkdir ${FOLDER} && tar -x -z -C ${FOLDER}`;
    const { code, stderr } = await node.run(unpack, { input: await readFile(archive), timeoutSeconds: 300 });
    if (code !== 0) throw new Error(`unpacking in the node: ${stderr}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * Loads one after the other into a policy namespace of its own, where its profiles attach to no process of the node, and which
 * takes them with it when it is removed. The kernel wants each policy in one write, and calls a child by its own part of the name,
 * below its parent; a folder is called after the profile, so it may begin with a dot. Returns the names by number of the policy.
 */
async function namesInKernel(node: TestNode): Promise<readonly (readonly string[])[]> {
  const script = `
names() {
  for folder in "$1"/profiles/* "$1"/profiles/.[!.]* "$1"/profiles/..?*; do
    [ -e "$folder/name" ] || continue
    IFS= read -r name < "$folder/name"
    printf '%s\\n' "$2$name"
    names "$folder" "$2$name//"
  done
}
cd /sys/kernel/security/apparmor/policy/namespaces || exit 1
i=0
while [ -e ${FOLDER}/$i ]; do
  mkdir corpus || exit 1
  dd if=${FOLDER}/$i of=corpus/.replace bs=16M 2>/dev/null || echo "FAILED TO LOAD"
  names corpus ''
  rmdir corpus || exit 1
  echo
  i=$((i + 1))
done
`;
  const { code, stdout, stderr } = await node.run(script, { timeoutSeconds: 360 });
  if (code !== 0) throw new Error(`loading in the node: exit ${code}: ${stderr}`);
  return stdout
    .replace(/\n\n$/, '')
    .split('\n\n')
    .map((names) => names.split('\n').toSorted());
}
