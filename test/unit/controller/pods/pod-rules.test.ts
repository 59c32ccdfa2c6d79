import { expect } from 'chai';
import { keepRuleBook, type RulesSource } from '../../../../src/controller/pods/pod-rules.ts';
import type { ProfileView } from '../../../../src/controller/profiles/profile-view.ts';
import type { RevisionView } from '../../../../src/controller/revisions/revision-view.ts';
import type { SharedListeners } from '../../../../src/controller/shared-caches.ts';
import { rule } from '../../admission/pods/rules.ts';
import { profileView, revisionView } from '../objects.ts';

/** Revisions as shared caches have them, one per object. */
function world() {
  const revisions = new Map<string, RevisionView>();
  const profiles = new Map<string, ProfileView>();
  const listeners = new Set<SharedListeners>();
  const first = Promise.withResolvers<void>();
  let synced = false;
  const source = {
    profiles: { get: (name: string) => profiles.get(name), synced: () => synced, ready: first.promise },
    revisions: { values: () => [...revisions.values()], synced: () => synced, ready: first.promise },
    inForce: (uid: string) => revisions.get(uid),
    listen(on: SharedListeners) {
      listeners.add(on);
      return () => listeners.delete(on);
    },
  };
  const { book, stop } = keepRuleBook(source as unknown as RulesSource);
  return {
    book,
    stop,
    sync: async () => {
      synced = true;
      first.resolve();
      await Promise.all([first.promise, first.promise]);
    },
    object: (name: string, uid: string | undefined): void => {
      const before = profiles.get(name);
      const now = uid === undefined ? undefined : profileView({ name, uid });
      if (now === undefined) profiles.delete(name);
      else profiles.set(name, now);
      listeners.forEach((on) => on.profiles(name, now, before));
    },
    change: (name: string, podRule: ReturnType<typeof rule> | undefined): void => {
      const view = revisionView({ objectUid: `uid-${name}`, ...(podRule === undefined ? {} : { podRule }) });
      const before = revisions.get(view.objectUid);
      revisions.set(view.objectUid, view);
      listeners.forEach((on) => on.revisions(view.name, view, before));
    },
    remove: (name: string): void => {
      const before = revisions.get(`uid-${name}`);
      revisions.delete(`uid-${name}`);
      listeners.forEach((on) => on.revisions(name, undefined, before));
    },
  };
}

describe('keepRuleBook', () => {
  it('is empty until all revisions are there', async () => {
    const { book, change, object, sync } = world();
    object('a', 'uid-a');
    object('b', 'uid-b');
    change('a', rule('a'));
    change('b', rule('b'));
    expect(book.groups()).to.deep.equal([]);
    await sync();
    expect(book.rules().map(({ object }) => object.name)).to.deep.equal(['a', 'b']);
  });

  it('follows the revision in force: another rule, none, and the end of the object', async () => {
    const { book, change, object, remove, sync } = world();
    await sync();
    object('a', 'uid-a');
    object('none', 'uid-none');
    change('a', rule('a'));
    change('none', undefined);
    change('a', rule('a', { since: 2 }));
    expect(book.rules().map(({ since }) => since)).to.deep.equal([2]);
    change('a', undefined);
    expect(book.rules()).to.deep.equal([]);
    change('a', rule('a'));
    remove('a');
    expect(book.rules()).to.deep.equal([]);
  });

  it('needs the object besides: not before it is known, not after it has gone, not of one that had its name', async () => {
    const { book, change, object, sync } = world();
    await sync();
    change('a', rule('a'));
    expect(book.rules()).to.deep.equal([]);
    object('a', 'uid-a');
    expect(book.rules()).to.have.length(1);
    object('a', 'uid-another');
    expect(book.rules()).to.deep.equal([]);
    object('a', 'uid-a');
    expect(book.rules()).to.have.length(1);
    object('a', undefined);
    expect(book.rules()).to.deep.equal([]);
  });

  it('hears nothing once it is stopped', async () => {
    const { book, change, object, stop, sync } = world();
    await sync();
    object('a', 'uid-a');
    stop();
    change('a', rule('a'));
    expect(book.rules()).to.deep.equal([]);
  });
});
