import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import type { ApiServerAccess } from './access.ts';

/** The one connection of a transport: made when first needed, made anew when it is gone. */
export interface Connection {
  /** Path of the access URL, without a slash at its end. */
  readonly pathPrefix: string;
  session(): Promise<ClientHttp2Session>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  pingEveryMs: number;
  pingTimeoutMs: number;
  connectTimeoutMs: number;
}

export function createConnection(access: ApiServerAccess, options: ConnectionOptions): Connection {
  const url = new URL(access.url);
  // A session that got GOAWAY serves its open streams to their end while the next one takes the new requests.
  const sessions = new Set<ClientHttp2Session>();
  let current: ClientHttp2Session | undefined;
  let connecting: Promise<ClientHttp2Session> | undefined;
  let closed = false;

  async function open(): Promise<ClientHttp2Session> {
    try {
      const session = await connectSession(url, access, options, sessions);
      session.once('goaway', () => {
        if (current === session) current = undefined;
      });
      current = session;
      return session;
    } finally {
      connecting = undefined;
    }
  }

  return {
    pathPrefix: url.pathname.replace(/\/+$/, ''),
    async session() {
      if (closed) throw new Error('the transport is closed');
      if (current !== undefined && !current.closed && !current.destroyed) return current;
      connecting ??= open();
      return connecting;
    },
    async close() {
      closed = true;
      await Promise.all([...sessions].map(destroyed));
    },
  };
}

/** Enough for a page of a list in one round trip; the default of 64 KiB waits for the network again and again. */
const WINDOW_BYTES = 1024 * 1024;

function connectSession(
  url: URL,
  access: ApiServerAccess,
  options: ConnectionOptions,
  sessions: Set<ClientHttp2Session>,
): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const { ca, cert, key, serverName } = access;
    const session = connect(url.origin, {
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    sessions.add(session);
    const timer = setTimeout(() => {
      session.destroy(new Error(`no connection to ${url.host} within ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    // Not at 'connect': requests sent before the server's limit of streams is known are refused beyond it, not queued.
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      session.setLocalWindowSize(WINDOW_BYTES);
      const stopPings = keepAlive(session, options);
      session.once('close', stopPings);
      resolve(session);
    });
    // Stays for the session's life: each stream is told by its own error, and this one must not be an uncaught one.
    session.on('error', (error) => reject(explained(error, url)));
    session.once('close', () => {
      clearTimeout(timer);
      sessions.delete(session);
      reject(new Error(`${url.host} closed the connection before it was usable`));
    });
  });
}

function explained(error: Error, url: URL): Error {
  if (!('code' in error) || error.code !== 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') return error;
  return new Error(`${url.host} does not speak HTTP/2, as every API server does unless it was switched off`, {
    cause: error,
  });
}

/**
 * TCP alone notices a peer that vanished only after minutes, and a proxy in between answers for it: so the server itself is
 * asked. Returns what stops it.
 */
function keepAlive(session: ClientHttp2Session, options: ConnectionOptions): () => void {
  let overdue: NodeJS.Timeout | undefined;
  const pings = setInterval(() => {
    if (overdue !== undefined) return;
    overdue = setTimeout(() => {
      session.destroy(new Error(`the server did not answer a ping within ${options.pingTimeoutMs} ms`));
    }, options.pingTimeoutMs);
    session.ping(() => {
      clearTimeout(overdue);
      overdue = undefined;
    });
  }, options.pingEveryMs);
  return () => {
    clearInterval(pings);
    clearTimeout(overdue);
  };
}

async function destroyed(session: ClientHttp2Session): Promise<void> {
  if (session.destroyed) return;
  await new Promise<void>((resolve) => {
    session.once('close', resolve);
    session.destroy();
  });
}
