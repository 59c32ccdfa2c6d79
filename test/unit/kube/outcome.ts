import { expect } from 'chai';
import { KubeError } from '../../../src/kube/errors.ts';

/** The KubeError that the promise ends in. */
export async function failureOf(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  );
  expect(error).to.be.instanceOf(KubeError);
  return error as KubeError;
}

export async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const collected: string[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}
