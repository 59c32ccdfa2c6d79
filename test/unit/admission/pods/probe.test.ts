import { expect } from 'chai';
import { proofName } from '../../../../src/admission/pods/entries.ts';
import { IN_FORCE_ANNOTATION, proofPatch, proveInForce } from '../../../../src/admission/pods/probe.ts';
import { KubeError } from '../../../../src/kube/errors.ts';
import type { KubeRequest } from '../../../../src/kube/transport.ts';
import { applyPatch } from './json-patch.ts';
import { onlyGroup, rule } from './rules.ts';

const GROUP = onlyGroup([rule('web', { selector: { matchLabels: { app: 'web' } } })]);
const going = new AbortController().signal;

function answering(answer: (body: object) => unknown): {
  asked: KubeRequest[];
  request: (r: KubeRequest) => Promise<{ status: number; body: unknown }>;
} {
  const asked: KubeRequest[] = [];
  return {
    asked,
    async request(request) {
      asked.push(request);
      await Promise.resolve();
      return { status: 201, body: answer(request.body ?? {}) };
    },
  };
}

function throwing(error: unknown) {
  return answering(() => {
    throw error;
  });
}

describe('the proof that an entry is in force', () => {
  it('is a dry run that only this entry takes for its own, and comes back with its annotation', async () => {
    const transport = answering((body) => applyPatch(body, proofPatch(body, GROUP)));
    expect(await proveInForce(GROUP, transport, going)).to.deep.equal({ kind: 'in-force' });
    expect(transport.asked).to.deep.equal([
      {
        method: 'POST',
        path: '/apis/apparmor-operator.dev/v1alpha1/apparmornodes',
        query: { dryRun: 'All' },
        body: {
          apiVersion: 'apparmor-operator.dev/v1alpha1',
          kind: 'AppArmorNode',
          metadata: { name: proofName(GROUP), labels: { app: 'web' } },
        },
        signal: going,
      },
    ]);
  });

  it('keeps annotations of others', () => {
    const before = { metadata: { annotations: { a: '1' } } };
    expect(applyPatch(before, proofPatch(before, GROUP))).to.deep.equal({
      metadata: { annotations: { a: '1', [IN_FORCE_ANNOTATION]: `${GROUP.id}/${GROUP.version}` } },
    });
  });

  it('fails without the annotation, or with that of another version', async () => {
    const other = onlyGroup([rule('web', { selector: { matchLabels: { app: 'web' } }, since: 2 })]);
    for (const transport of [
      answering((body) => body),
      answering((body) => applyPatch(body, proofPatch(body, other))),
    ]) {
      expect(await proveInForce(GROUP, transport, going)).to.deep.include({ kind: 'not-in-force' });
    }
  });

  it('says what the API server says', async () => {
    const error = new KubeError({ status: 500, reason: 'InternalError', message: 'failed calling webhook' });
    expect(await proveInForce(GROUP, throwing(error), going)).to.deep.equal({
      kind: 'not-in-force',
      message: 'failed calling webhook',
    });
  });

  it('throws what is not the API server’s', async () => {
    const error = new Error('aborted');
    const thrown = await proveInForce(GROUP, throwing(error), going).catch((reason: unknown) => reason);
    expect(thrown).to.equal(error);
  });

  it('asks nothing for a selector that selects nothing', async () => {
    const nothing = onlyGroup([
      rule('x', { selector: { matchLabels: { a: '1' }, matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] } }),
    ]);
    const transport = throwing(new Error('asked'));
    expect(await proveInForce(nothing, transport, going)).to.deep.equal({ kind: 'selects-nothing' });
  });
});
