import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cache } from '../testbed/cache.ts';
import { run, withSignal, type CommandResult } from '../testbed/process.ts';

/** apt for another suite than the machine's, with lists and archives of its own. Nothing of the machine's apt changes. */
export interface PrivateApt {
  /** Runs apt-get in the given folder. */
  get: (args: readonly string[], folder: string) => Promise<CommandResult>;
  /** Where `install --download-only` leaves its packages. */
  archives: string;
}

/**
 * Sources and binary packages of a Debian suite from the mirror that the machine's own apt uses, so that a proxy or a mirror which
 * somebody configured is used here too. Works in `folder`, which exists; needs no root.
 */
export async function privateApt(cache: Cache, folder: string, suite: string): Promise<PrivateApt> {
  const mirror = await machineMirror(cache);
  const archives = join(folder, 'cache/archives');
  for (const path of [join(folder, 'lists/partial'), join(archives, 'partial'), join(folder, 'empty')]) {
    await mkdir(path, { recursive: true });
  }
  // As if nothing were installed: what a package depends on is downloaded with it.
  await writeFile(join(folder, 'status'), '');
  const signed = existsSync(KEYRING) ? ` signed-by=${KEYRING}` : '';
  await writeFile(
    join(folder, 'sources.list'),
    `deb [target=Packages${signed}] ${mirror} ${suite} main\ndeb-src [target=Sources${signed}] ${mirror} ${suite} main\n`,
  );
  const configuration = join(folder, 'apt.conf');
  await writeFile(configuration, configurationFor(folder));
  const get: PrivateApt['get'] = (args, cwd) =>
    run('apt-get', ['--quiet', '--yes', `--config-file=${configuration}`, ...args], {
      cwd,
      timeoutMs: 10 * 60_000,
      ...withSignal(cache),
    });
  await get(['update'], folder);
  return { get, archives };
}

/** Read after the machine's configuration. Its hooks would clean the machine's own folders. */
function configurationFor(folder: string): string {
  return `#clear APT::Update;
#clear DPkg;
Dir::Etc::SourceList "${folder}/sources.list";
Dir::Etc::SourceParts "${folder}/empty";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "${folder}/empty";
Dir::State::Lists "${folder}/lists";
Dir::State::Status "${folder}/status";
Dir::Cache "${folder}/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Debug::NoLocking "true";
`;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * The first repository of Debian itself that the machine's apt knows; security and backports are others, or parts of others. Before
 * the first `apt-get update` there are no labels to tell it by, and its address must do.
 */
async function machineMirror(cache: Cache): Promise<string> {
  const labelled = await repositories(cache, []);
  const main = (labelled.length > 0 ? labelled : await repositories(cache, ['--no-release-info'])).filter(
    ({ release, component }) => component === 'main' && !/-security|-updates|-backports/.test(release),
  );
  const mirror = main.find(({ uri, label }) => label === 'Debian' || (label === UNKNOWN && uri.endsWith('/debian/')));
  if (mirror !== undefined) return mirror.uri;
  throw new Error('apt on this machine knows no Debian mirror (see apt-get indextargets, component main)');
}

interface Repository {
  uri: string;
  release: string;
  component: string;
  label: string;
}

const UNKNOWN = '$(LABEL)';

async function repositories(cache: Cache, options: readonly string[]): Promise<readonly Repository[]> {
  const format = ['--format', `$(REPO_URI) $(RELEASE) $(COMPONENT) ${UNKNOWN}`, 'Created-By: Packages'];
  const { stdout } = await run('apt-get', ['indextargets', ...options, ...format], withSignal(cache));
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [uri = '', release = '', component = '', ...label] = line.split(' ');
      return { uri, release, component, label: label.join(' ') };
    });
}
