import type { RequestOptions } from 'node:https';
import { bufferFromFileOrString, KubeConfig } from '@kubernetes/client-node';
import type { ApiServerAccess } from './access.ts';

/**
 * Access as the current context of a kubeconfig file says. Credentials that client-node can get (token, token file,
 * certificate, exec and OIDC plugins) work. Throws where the file cannot be read, or asks for what is not supported:
 * unverified TLS, a proxy, a password.
 */
export function kubeconfigAccess(path: string): ApiServerAccess {
  const config = new KubeConfig();
  config.loadFromFile(path);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null) throw new Error(`${path}: the current context names no cluster`);
  if (cluster.skipTLSVerify) throw new Error(`${path}: insecure-skip-tls-verify is not supported; name the authority`);
  if (cluster.proxyUrl !== undefined) throw new Error(`${path}: proxy-url is not supported`);
  if (user?.username !== undefined) throw new Error(`${path}: passwords are not supported by the API server any more`);
  const ca = bufferFromFileOrString(cluster.caFile, cluster.caData);
  const cert = bufferFromFileOrString(user?.certFile, user?.certData);
  const key = bufferFromFileOrString(user?.keyFile, user?.keyData);
  const access: ApiServerAccess = { url: cluster.server };
  if (ca !== null) access.ca = ca;
  if (cert !== null && key !== null) Object.assign(access, { cert, key });
  if (cluster.tlsServerName !== undefined) access.serverName = cluster.tlsServerName;
  if (cert === null && user !== null) access.token = () => currentToken(config);
  return access;
}

async function currentToken(config: KubeConfig): Promise<string> {
  const options: RequestOptions & { headers: Record<string, string> } = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const token = /^Bearer (.+)$/s.exec(options.headers['Authorization'] ?? '')?.[1];
  if (token === undefined) {
    throw new Error(`the kubeconfig's user ${config.getCurrentUser()?.name} gives neither a certificate nor a token`);
  }
  return token.trim();
}
