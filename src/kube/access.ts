import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How to reach the API server, and as whom. TLS is always verified; there is no switch. */
export interface ApiServerAccess {
  /** `https://host:port`, without a path unless a proxy puts one in front. */
  url: string;
  /** PEM; absent: the system's authorities. */
  ca?: Buffer | string;
  /** Asked before every request, so it must remember. */
  token?: () => Promise<string>;
  /** PEM client certificate and key. */
  cert?: Buffer | string;
  key?: Buffer | string;
  /** The name to find in the server's certificate, where it is not the host of `url`. */
  serverName?: string;
}

export interface InCluster {
  /** KUBERNETES_SERVICE_HOST: a name, an IPv4 or a bare IPv6 address. */
  host: string;
  /** KUBERNETES_SERVICE_PORT. */
  port: string;
  /** The mounted ServiceAccount: `ca.crt` and `token`. */
  folder: string;
  now: () => number;
}

/** The kubelet replaces a projected token at 80 % of its life (default one hour), long before it ends. */
const TOKEN_REREAD_MS = 60_000;

/**
 * Access as the pod's ServiceAccount. The token file is read again at most every 60 s; while it cannot be read, the last
 * token serves on. Throws what the file system says if `ca.crt` or `token` cannot be read at first.
 */
export async function inClusterAccess(options: InCluster): Promise<ApiServerAccess> {
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  const token = rereadToken(join(options.folder, 'token'), options.now);
  const [ca] = await Promise.all([readFile(join(options.folder, 'ca.crt')), token()]);
  return { url: `https://${host}:${options.port}`, ca, token };
}

function rereadToken(path: string, now: () => number): () => Promise<string> {
  let last: { text: string; readAt: number } | undefined;
  return async () => {
    if (last !== undefined && now() - last.readAt < TOKEN_REREAD_MS) return last.text;
    try {
      last = { text: (await readFile(path, 'utf8')).trim(), readAt: now() };
    } catch (error) {
      if (last === undefined) throw error;
      last = { text: last.text, readAt: now() };
    }
    return last.text;
  };
}
