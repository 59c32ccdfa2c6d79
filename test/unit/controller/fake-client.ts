import type { KubeClient } from '../../../src/kube/client.ts';
import { KubeError } from '../../../src/kube/errors.ts';
import type { EventNotice, EventRecorder } from '../../../src/kube/events.ts';
import { keyOf, type KubeObject, type ObjectKey, type Resource } from '../../../src/kube/resource.ts';
import type { Logger } from '../../../src/log.ts';

/** What a test lets the API server answer: a value, or an error to throw. Verbs that are not given fail the test. */
export type Answers = Partial<Record<Verb, (resource: Resource, body: unknown) => unknown>>;
type Verb = 'get' | 'create' | 'update' | 'apply' | 'mergePatch' | 'delete';

function ofKey(key: ObjectKey): string {
  return keyOf({ metadata: key });
}

export interface FakeClient extends KubeClient {
  /** `create ControllerRevision operator/web`, in order. */
  calls: string[];
  /** What was sent with each call. */
  bodies: unknown[];
}

export function fakeClient(answers: Answers): FakeClient {
  const calls: string[] = [];
  const bodies: unknown[] = [];

  async function call<T>(verb: Verb, resource: Resource, key: string, body: unknown): Promise<T> {
    calls.push(`${verb} ${resource.kind} ${key}`);
    bodies.push(body);
    await Promise.resolve();
    const answer = answers[verb];
    if (answer === undefined) throw new Error(`unexpected: ${verb} ${resource.kind} ${key}`);
    const result = answer(resource, body);
    if (result instanceof Error) throw result;
    return structuredClone(result) as T;
  }

  return {
    calls,
    bodies,
    get: (resource, key) => call('get', resource, ofKey(key), undefined),
    list: () => Promise.reject(new Error('unexpected: list')),
    create: (resource, object) => call('create', resource, keyOf(object), object),
    update: (resource, object) => call('update', resource, keyOf(object), object),
    apply: (resource, object: KubeObject) => call('apply', resource, keyOf(object), object),
    mergePatch: (resource, key, patch) => call('mergePatch', resource, ofKey(key), patch),
    delete: (resource, key, options) => call('delete', resource, ofKey(key), options),
  };
}

export function kubeError(status: number, reason: string): KubeError {
  return new KubeError({ status, reason, message: `${reason}, says the API server` });
}

export const notFound = kubeError(404, 'NotFound');
export const conflict = kubeError(409, 'Conflict');
export const alreadyExists = kubeError(409, 'AlreadyExists');
export const forbidden = kubeError(403, 'Forbidden');

export interface FakeRecorder extends EventRecorder {
  notices: EventNotice[];
}

export function fakeRecorder(): FakeRecorder {
  const notices: EventNotice[] = [];
  return {
    notices,
    record: (notice) => void notices.push(notice),
    flush: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}

export interface FakeLogger extends Logger {
  lines: string[];
}

export function fakeLogger(): FakeLogger {
  const lines: string[] = [];
  const write = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const logger: FakeLogger = {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  return logger;
}

export const going = new AbortController().signal;
