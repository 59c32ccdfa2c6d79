import { expect } from 'chai';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deleteUnfinished, writeFileAtomically } from '../../../src/agent/atomic-file.ts';
import { openCompiledStore } from '../../../src/agent/compiled-store.ts';
import type { RevisionContent } from '../../../src/api/revision.ts';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import { openRevisionStore } from '../../../src/agent/revision-store.ts';
import { openStateFolder } from '../../../src/agent/state-folder.ts';
import type { StateFolder } from '../../../src/agent/state-folder.ts';
import { content, hashesOf, headOf, ledgerOf, policyText, sha256, wanted } from './objects.ts';
import { silentLog } from './silent-log.ts';

describe('agent state folder', () => {
  let root: string;
  let folder: string;
  let state: StateFolder;
  const log = silentLog();

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'state-'));
    folder = join(root, 'state');
    state = openStateFolder({ folder, node: 'node-a', log });
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const openTexts = () => openRevisionStore({ folder: join(folder, 'revisions'), node: 'node-a', state, log });
  const openCompiled = () => openCompiledStore({ folder: join(folder, 'compiled'), state, log });
  const blockFolder = (): Promise<void> => writeFile(folder, 'a file where the folder should be');

  async function save(...contents: readonly RevisionContent[]): Promise<void> {
    const texts = openTexts();
    for (const one of contents) await texts.save(headOf(one), one);
    await texts.written();
  }

  describe('writeFileAtomically', () => {
    it('replaces a file and leaves nothing beside it', async () => {
      const path = join(root, 'file');
      await writeFileAtomically(path, 'one');
      await writeFileAtomically(path, Buffer.from('two'));
      expect(await readFile(path, 'utf8')).to.equal('two');
      expect(await readdir(root)).to.deep.equal(['file']);
    });

    it('leaves the old content and nothing beside it when it fails', async () => {
      await mkdir(join(root, 'taken/inside'), { recursive: true });
      const failed = await writeFileAtomically(join(root, 'taken'), 'x').catch((error: NodeJS.ErrnoException) => error);
      expect(failed).to.be.instanceOf(Error);
      expect(await readdir(root)).to.deep.equal(['taken']);
    });

    it('leaves files that a dead process did not finish to be deleted', async () => {
      await writeFile(join(root, '.ledger.json.new'), 'half');
      await writeFile(join(root, '.kept'), '');
      await deleteUnfinished(root);
      await deleteUnfinished(join(root, 'nowhere'));
      expect(await readdir(root)).to.deep.equal(['.kept']);
    });
  });

  it('is made again, for its owner only, when it or a folder in it was deleted between two writes', async () => {
    const texts = openTexts();
    const web = content('web');
    for (const lost of [folder, join(folder, 'revisions')]) {
      await texts.save(headOf(web), web);
      await texts.written();
      await rm(lost, { recursive: true });
      await texts.save(headOf(web), web);
      await texts.written();
      expect(await texts.read(headOf(web))).to.deep.equal(web);
      expect(await readdir(join(folder, 'revisions'))).to.have.length(1);
      for (const path of [folder, join(folder, 'revisions')]) expect((await stat(path)).mode & 0o777).to.equal(0o700);
    }
    expect(state.trouble()).to.equal(undefined);
  });

  describe('ledger and last known', () => {
    it('are empty at first, and what was written then', async () => {
      expect(await state.readLedger()).to.deep.equal(EMPTY_LEDGER);
      expect(await state.readLastKnown()).to.equal(undefined);
      const ledger = ledgerOf(wanted('web'));
      const lastKnown = { labels: { os: 'debian' }, revisions: [headOf(content('web'))] };
      await state.writeLedger(ledger);
      await state.writeLastKnown(lastKnown);
      expect(await state.readLedger()).to.deep.equal(ledger);
      expect(await state.readLastKnown()).to.deep.equal(lastKnown);
      expect(state.trouble()).to.equal(undefined);
    });

    it('are set aside and reported when they are damaged', async () => {
      await state.writeLedger(ledgerOf(wanted('web')));
      const text = await readFile(join(folder, 'ledger.json'), 'utf8');
      await writeFile(join(folder, 'ledger.json'), text.slice(0, 100));
      expect(await state.readLedger()).to.deep.equal(EMPTY_LEDGER);
      expect(state.trouble()).to.include({ reason: 'StateFileSetAside' });
      expect(await readdir(folder)).to.deep.equal(['ledger.json.damaged']);
    });

    it('are not believed when they were swapped', async () => {
      await state.writeLedger(EMPTY_LEDGER);
      await writeFile(join(folder, 'last-known.json'), await readFile(join(folder, 'ledger.json')));
      expect(await state.readLastKnown()).to.equal(undefined);
      expect(state.trouble()).to.include({ reason: 'StateFileSetAside' });
    });

    it('are reported when they cannot be read or written, until they can', async () => {
      await mkdir(join(folder, 'ledger.json/inside'), { recursive: true });
      expect(await state.readLedger()).to.deep.equal(EMPTY_LEDGER);
      expect(state.trouble()).to.have.property('message').that.contains('EISDIR');
      await state.writeLedger(EMPTY_LEDGER);
      expect(state.trouble()).to.include({ reason: 'StateFolderUnusable' });
      await rm(join(folder, 'ledger.json'), { recursive: true });
      await state.writeLedger(EMPTY_LEDGER);
      expect(state.trouble()).to.equal(undefined);
    });
  });

  describe('revisions', () => {
    const web = content('web');

    it('can be read at once, and are on the disk a moment later', async () => {
      const open = openTexts();
      await open.save(headOf(web), web);
      expect(await open.read(headOf(web))).to.deep.equal(web);
      await open.written();
      expect(await openTexts().read(headOf(web))).to.deep.equal(web);
    });

    it('are kept over a restart, however long their names are', async () => {
      const long = content('x'.repeat(253));
      await save(web, long);
      expect(await openTexts().read(headOf(web))).to.deep.equal(web);
      expect(await openTexts().read(headOf(long))).to.deep.equal(long);
      expect(await openTexts().read(headOf(content('other')))).to.equal(undefined);
    });

    it('are not believed when they are damaged or swapped', async () => {
      const other = content('web', { policy: policyText('web', 'more') });
      await save(web, other);
      const files = (await readdir(join(folder, 'revisions'))).map((file) => join(folder, 'revisions', file));
      const [first = '', second = ''] = files;
      const texts = await Promise.all(files.map((file) => readFile(file)));
      await writeFile(first, texts[1] ?? '');
      await writeFile(second, '');
      expect(await openTexts().read(headOf(web))).to.equal(undefined);
      expect(await openTexts().read(headOf(other))).to.equal(undefined);
    });

    it('are deleted when nobody needs them, but not while they are written', async () => {
      const other = content('other');
      const open = openTexts();
      await open.save(headOf(web), web);
      await open.save(headOf(other), other);
      await open.written();
      await writeFile(join(folder, 'revisions/.x.json.new'), '');
      await open.keepOnly(new Set([headOf(web).name]));
      expect(await readdir(join(folder, 'revisions'))).to.have.length(2);
      expect(await open.read(headOf(other))).to.equal(undefined);
      expect(await open.read(headOf(web))).to.deep.equal(web);
    });

    it('are held in memory where they cannot be written', async () => {
      await blockFolder();
      const open = openTexts();
      await open.save(headOf(web), web);
      await open.written();
      expect(await open.read(headOf(web))).to.deep.equal(web);
      await open.keepOnly(new Set());
      expect(await open.read(headOf(web))).to.equal(undefined);
    });
  });

  describe('compiled policies', () => {
    const binary = Buffer.from('compiled');
    const hash = sha256(binary);
    const stored = { ...hashesOf(binary), binary };

    it('are found by fingerprint after a restart', async () => {
      const before = openCompiled();
      expect(await before.save('fp', binary)).to.deep.equal(hashesOf(binary));
      await before.written();
      expect(await openCompiled().find('fp')).to.deep.equal(stored);
      expect(await openCompiled().read('fp', hash)).to.deep.equal(binary);
      expect(await openCompiled().find('f')).to.equal(undefined);
      expect(await openCompiled().read('fp', sha256(Buffer.from('else')))).to.equal(undefined);
    });

    it('are never given out when they are damaged', async () => {
      const before = openCompiled();
      await before.save('fp', binary);
      await before.written();
      const [file = ''] = await readdir(join(folder, 'compiled'));
      await writeFile(join(folder, 'compiled', file), 'Compiled');
      expect(await openCompiled().find('fp')).to.equal(undefined);
      expect(await openCompiled().read('fp', hash)).to.equal(undefined);
    });

    it('are deleted when nobody needs them, but not before somebody could', async () => {
      const open = openCompiled();
      await open.save('fp', binary);
      await open.save('new', binary);
      await open.written();
      await open.keepOnly([{ fingerprint: 'fp', sha256: hash }]);
      expect(await open.find('new')).to.deep.equal(stored);
      await open.keepOnly([{ fingerprint: 'new', sha256: hash }]);
      expect(await open.find('fp')).to.equal(undefined);
      await open.keepOnly([]);
      expect(await readdir(join(folder, 'compiled'))).to.deep.equal([]);
    });

    it('are held in memory where they cannot be written', async () => {
      await blockFolder();
      const open = openCompiled();
      await open.save('fp', binary);
      await open.written();
      expect(await open.find('fp')).to.deep.equal(stored);
      await open.keepOnly([{ fingerprint: 'fp', sha256: hash }]);
      await open.keepOnly([]);
      expect(await open.find('fp')).to.equal(undefined);
      await rm(folder);
      await open.save('fp', binary);
      await open.written();
      expect(await openCompiled().find('fp')).to.deep.equal(stored);
    });
  });
});
