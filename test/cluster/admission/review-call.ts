import { request } from 'node:https';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { apiVersionOf, collectionPath, objectPath } from '../../../src/kube/resource.ts';
import { controlPlane } from '../fixture.ts';

/** What a user's write of an AppArmorProfile gets, with what kubectl would print. */
export interface Written {
  status: number;
  /** Of the Status, where it was refused. */
  message: string;
  /** HTTP headers `Warning`, as kubectl prints them behind `Warning: `. */
  warnings: string[];
}

export function createProfile(name: string, spec: object, query = ''): Promise<Written> {
  return send('POST', `${collectionPath(APPARMOR_PROFILE)}${query}`, { metadata: { name }, spec });
}

export function patchProfile(name: string, patch: object): Promise<Written> {
  return send('PATCH', objectPath(APPARMOR_PROFILE, { name }), patch);
}

export function deleteProfile(name: string, options: { dryRun?: string[] } = {}): Promise<Written> {
  return send('DELETE', objectPath(APPARMOR_PROFILE, { name }), options);
}

/** The transport of the operator shows no headers. */
async function send(method: string, path: string, body: object): Promise<Written> {
  const { url, ca, cert, key } = kubeconfigAccess(controlPlane().kubeconfig);
  const whole =
    method === 'POST' ? { apiVersion: apiVersionOf(APPARMOR_PROFILE), kind: APPARMOR_PROFILE.kind, ...body } : body;
  const text = JSON.stringify(whole);
  const headers = {
    'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    // Node does not chunk the body of a DELETE, and says no length by itself.
    'content-length': Buffer.byteLength(text),
  };
  return new Promise((resolve, reject) => {
    const call = request(`${url}${path}`, { method, ca, cert, key, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const warnings = warningsIn(answer.rawHeaders);
        resolve({ status: answer.statusCode ?? 0, message: messageIn(text), warnings });
      });
    });
    call.on('error', reject);
    call.end(text);
  });
}

/** An object has none; what is not JSON is a message of its own. */
function messageIn(text: string): string {
  if (!text.startsWith('{')) return text;
  return (JSON.parse(text) as { message?: string }).message ?? '';
}

/** `299 - "TEXT"`, where quotes and backslashes are escaped. */
function warningsIn(headers: readonly string[]): string[] {
  return headers.flatMap((name, index) => {
    if (index % 2 === 1 || name.toLowerCase() !== 'warning') return [];
    const quoted = /^299 - "(.*)"$/s.exec(headers[index + 1] ?? '')?.[1] ?? '';
    return [quoted.replace(/\\(.)/g, '$1')];
  });
}
