import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, isCached, type Cache, type CacheEntry } from './cache.ts';
import { run } from './process.ts';

/** The Kubernetes version of the test bed: that of `k8s.io/kubernetes` in kubernetes/go.mod. */
export async function kubernetesVersion(): Promise<string> {
  const version = /^\s*k8s\.io\/kubernetes (v\S+)$/m.exec(await readFile(source('go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${source('go.mod')} requires no k8s.io/kubernetes`);
  return version;
}

/**
 * Path of the one binary that is etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, kubelet
 * and kubectl: the first argument, or the name it is called by, picks the program. It is static, so it runs on nodes
 * too. Built with Go, once (12 to 16 min on 2 busy cores, 20 CPU-minutes, 153 MB), then taken from the cache.
 */
export async function kubernetesBinary(cache: Cache): Promise<string> {
  return join(await cached(cache, await entryOf(cache)), 'kubernetes');
}

export async function isKubernetesBinaryCached(cache: Cache): Promise<boolean> {
  return isCached(cache, await entryOf(cache));
}

/** What is wrong with the Go that would build the binary, in one line; undefined if nothing is. */
export async function goProblem(): Promise<string | undefined> {
  const required = /^go (\d+\.\d+)/m.exec(await readFile(source('go.mod'), 'utf8'))?.[1] ?? '';
  // In the module's folder go compares itself with go.mod, and gets the newer toolchain where it may.
  const found = await run('go', ['version'], { cwd: source('.'), accept: 'any' });
  if (found.code === 0) return undefined;
  const remedy = 'unpack the archive from https://go.dev/dl/ into /usr/local and add /usr/local/go/bin to PATH';
  const reason = found.stderr.includes('go.mod requires') ? ' (the one on PATH is older)' : '';
  return `Go ${required} or newer is missing${reason}: ${remedy}`;
}

async function entryOf(cache: Cache): Promise<CacheEntry> {
  const version = await kubernetesVersion();
  const target = process.arch === 'x64' ? 'amd64' : process.arch;
  const files = await Promise.all(['go.mod', 'go.sum', 'main.go'].map((name) => readFile(source(name))));
  const flags = linkerFlags(version);
  return {
    name: 'kubernetes',
    key: [...files, flags, target],
    estimate: 'with Go, about 15 min on 2 cores',
    build: async (folder) => {
      const problem = await goProblem();
      if (problem !== undefined) throw new Error(problem);
      const args = ['build', '-o', join(folder, 'kubernetes'), '-ldflags', flags, '.'];
      const env = { CGO_ENABLED: '0', GOOS: 'linux', GOARCH: target };
      await run('go', args, { cwd: source('.'), env, ...(cache.signal === undefined ? {} : { signal: cache.signal }) });
    },
  };
}

function source(name: string): string {
  return join(import.meta.dirname, 'kubernetes', name);
}

/** Without these the server calls itself v0.0.0-master, which kubectl cannot read. */
function linkerFlags(version: string): string {
  const [major, minor] = version.slice(1).split('.');
  const values = { gitVersion: version, gitMajor: major ?? '', gitMinor: minor ?? '' };
  const variables = Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  return ['-s', '-w', ...variables].join(' ');
}
