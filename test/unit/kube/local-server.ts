import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiServerAccess } from '../../../src/kube/access.ts';
import { createCertificateAuthority } from '../../testbed/certificates.ts';

export interface Keys {
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

/** A certificate for 127.0.0.1 and `kube.test`, and the authority that signed it. */
export async function makeKeys(): Promise<Keys> {
  const folder = await mkdtemp(join(tmpdir(), 'kube-'));
  try {
    const authority = await createCertificateAuthority(folder);
    const serving = await authority.serverCertificate('server', ['127.0.0.1', 'kube.test']);
    const [ca, cert, key] = await Promise.all(
      [authority.certificate, serving.certificate, serving.key].map((path) => readFile(path)),
    );
    if (ca === undefined || cert === undefined || key === undefined) throw new Error('no keys');
    return { ca, cert, key };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: string) => void;

export interface LocalServer {
  access: ApiServerAccess;
  port: number;
  /** Every connection so far, ended ones too. */
  sessions: ServerHttp2Session[];
  /** Answers every request from now on. */
  handle: (handler: Handler) => void;
  stop: () => Promise<void>;
}

export async function startLocalServer(
  keys: Keys,
  options: { port?: number; maxStreams?: number } = {},
): Promise<LocalServer> {
  const server: Http2SecureServer = createSecureServer({
    key: keys.key,
    cert: keys.cert,
    settings: { maxConcurrentStreams: options.maxStreams ?? 100 },
  });
  const sessions: ServerHttp2Session[] = [];
  let handler = notFound;
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => handler(stream, headers, Buffer.concat(chunks).toString('utf8')));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  return {
    access: { url: `https://127.0.0.1:${address.port}`, ca: keys.ca },
    port: address.port,
    sessions,
    handle: (next) => {
      handler = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

const notFound: Handler = (stream) => answer(stream, 404, '404 page not found');

export function answer(
  stream: ServerHttp2Stream,
  status: number,
  body: string | object,
  headers: Record<string, string> = {},
): void {
  stream.respond({ ':status': status, ...headers });
  stream.end(typeof body === 'string' ? body : JSON.stringify(body));
}
