import { expect } from 'chai';
import { createWriteQueue } from '../../../src/agent/write-queue.ts';

describe('agent/write-queue', () => {
  it('writes one after the other, and has the next but one wait', async () => {
    const writes = createWriteQueue();
    const disk = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const steps: string[] = [];
    const add = async (index: number): Promise<void> => {
      await writes.add(async () => {
        steps.push(`${index} begins`);
        await disk[index]?.promise;
        steps.push(`${index} ends`);
      });
      steps.push(`${index} added`);
    };
    await add(0);
    const second = add(1);
    disk[0]?.resolve();
    await second;
    const ended = writes.ended().then(() => steps.push('all ended'));
    disk[1]?.resolve();
    await ended;
    expect(steps.filter((step) => !step.endsWith('added'))).to.deep.equal([
      '0 begins',
      '0 ends',
      '1 begins',
      '1 ends',
      'all ended',
    ]);
    expect(steps.indexOf('0 added')).to.be.lessThan(steps.indexOf('0 ends'));
    expect(steps.indexOf('1 added')).to.be.greaterThan(steps.indexOf('0 ends'));
  });
});
