import { expect } from 'chai';
import { createRecentTexts, readAccepted } from '../../../../src/controller/revisions/accepted-texts.ts';
import { viewProfile } from '../../../../src/controller/profiles/profile-view.ts';
import { fakeClient, going, notFound } from '../fake-client.ts';
import { profileObject } from '../objects.ts';

describe('controller/accepted-texts', () => {
  it('of what was just seen, the API server is not asked', async () => {
    const recent = createRecentTexts();
    const client = fakeClient({});
    const view = viewProfile(profileObject({}), undefined, recent.keep);
    const accepted = await readAccepted(view, { recent, client }, going);
    expect(accepted?.content.policy).to.equal(profileObject({}).spec.policy);
    expect(client.calls).to.deep.equal([]);
  });

  it('the last four are kept, and of each its last generation counts', async () => {
    const recent = createRecentTexts();
    const client = fakeClient({ get: () => notFound });
    const see = (uid: string, generation: number) => {
      const { metadata, ...rest } = profileObject({});
      return viewProfile({ ...rest, metadata: { ...metadata, uid, generation } }, undefined, recent.keep);
    };
    const views = [see('a', 1), see('a', 2), see('b', 1), see('c', 1), see('d', 1)];
    const found = await Promise.all(views.map((view) => readAccepted(view, { recent, client }, going)));
    expect(found.map((accepted) => accepted !== undefined)).to.deep.equal([false, true, true, true, true]);
    expect(client.calls).to.deep.equal(['get AppArmorProfile web']);
  });

  it('an object of which only the status changed is not read again', () => {
    const recent = createRecentTexts();
    const view = viewProfile(profileObject({}), undefined);
    viewProfile(profileObject({}), view, recent.keep);
    expect(recent.get(view)).to.equal(undefined);
  });
});
