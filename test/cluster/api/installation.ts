import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiServerAccess } from '../../../src/kube/access.ts';
import { KubeError } from '../../../src/kube/errors.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { createTransport, type KubeRequest } from '../../../src/kube/transport.ts';
import type { KubectlOptions } from '../../testbed/control-plane.ts';
import { waitFor } from '../../testbed/process.ts';
import { controlPlane } from '../fixture.ts';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
export const MANIFESTS = join(ROOT, 'manifests', 'default');
export const NAMESPACE = 'apparmor-operator';
export const GROUP_PATH = '/apis/apparmor-operator.dev/v1alpha1';

/** Runs kubectl and returns what it prints; throws with its message when it fails. */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { stdout, stderr, code } = await controlPlane().kubectl(args, options);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

/** `kubectl create -f -` of one object. */
export async function create(object: object, args: readonly string[] = []): Promise<string> {
  return kubectl(['create', '-f', '-', ...args], { input: JSON.stringify(object) });
}

/** Installs the operator as the README says. Returns what kubectl prints. */
export async function installOperator(): Promise<string> {
  const printed = await kubectl(['apply', '-k', MANIFESTS]);
  await kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=60s']);
  return printed;
}

/** Leaves the API server as the fixture makes it: with the CRDs and nothing else of ours. */
export async function uninstallOperator(): Promise<void> {
  await kubectl(['delete', '-k', MANIFESTS, '--ignore-not-found', '--timeout=60s']);
  await kubectl(['apply', '--server-side', '-k', join(ROOT, 'crds')]);
  await kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=60s']);
}

/** One user's requests to the API server: far faster than a kubectl for each, and with nothing in between. */
export interface Caller {
  /** The answer's JSON. Throws KubeError. */
  ask(request: KubeRequest): Promise<unknown>;
  /** Sends what has to be refused and returns the API server's message; throws if it is not refused. */
  refused(request: KubeRequest): Promise<string>;
  close(): Promise<void>;
}

export function administrator(): Caller {
  return caller(kubeconfigAccess(controlPlane().kubeconfig));
}

export async function bearerOf(token: string): Promise<Caller> {
  const { url, authority } = controlPlane();
  return caller({ url, ca: await readFile(authority.certificate), token: async () => token });
}

function caller(access: ApiServerAccess): Caller {
  const transport = createTransport(access, { userAgent: 'apparmor-operator-tests', timeoutMs: 30_000 });
  const ask = async (request: KubeRequest) => (await transport.request(request)).body;
  return {
    ask,
    async refused(request) {
      try {
        await ask(request);
      } catch (error) {
        if (error instanceof KubeError && error.status >= 400) return error.message;
        throw error;
      }
      throw new Error(`${request.method} ${request.path} was not refused`);
    },
    close: () => transport.close(),
  };
}

/** A token of a ServiceAccount, by the TokenRequest API. */
export async function tokenOf(
  admin: Caller,
  account: { namespace: string; name: string },
  spec: object = {},
): Promise<string> {
  const path = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
  const request = creation(path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
  return ((await admin.ask(request)) as { status: { token: string } }).status.token;
}

/** Tries until what the API server does has changed: it takes up policies and roles with a delay of its own. */
export async function eventually(what: string, attempt: () => Promise<unknown>): Promise<void> {
  await waitFor(what, { deadlineMs: 30_000, intervalMs: 200 }, async () => {
    try {
      await attempt();
      return true;
    } catch {
      return undefined;
    }
  });
}

export function profile(name: string, spec: object): object {
  return { apiVersion: 'apparmor-operator.dev/v1alpha1', kind: 'AppArmorProfile', metadata: { name }, spec };
}

/** `kubectl create`, which refuses unknown fields. */
export function creation(path: string, object: object, query: KubeRequest['query'] = {}): KubeRequest {
  return { method: 'POST', path, body: object, query: { fieldValidation: 'Strict', ...query } };
}
