import { readFile, writeFile } from 'node:fs/promises';
import type { Certificate } from './certificates.ts';

export type Credentials = { kind: 'certificate'; certificate: Certificate } | { kind: 'token'; token: string };

export interface KubeconfigContent {
  url: string;
  /** Path of the certificate authority's certificate. */
  authority: string;
  credentials: Credentials;
}

/** Writes a kubeconfig that holds everything it needs, so that it can be carried to another machine. */
export async function writeKubeconfig(path: string, content: KubeconfigContent): Promise<string> {
  const cluster = { server: content.url, 'certificate-authority-data': await base64(content.authority) };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test-bed',
    clusters: [{ name: 'test-bed', cluster }],
    users: [{ name: 'user', user: await userOf(content.credentials) }],
    contexts: [{ name: 'test-bed', context: { cluster: 'test-bed', user: 'user' } }],
  };
  // JSON is YAML too, and every client reads it.
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return path;
}

async function userOf(credentials: Credentials): Promise<Record<string, string>> {
  if (credentials.kind === 'token') return { token: credentials.token };
  return {
    'client-certificate-data': await base64(credentials.certificate.certificate),
    'client-key-data': await base64(credentials.certificate.key),
  };
}

async function base64(path: string): Promise<string> {
  return (await readFile(path)).toString('base64');
}
