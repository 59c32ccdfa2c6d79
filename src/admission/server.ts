import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import {
  ADMISSION_LIMITS,
  createAdmissionCalls,
  pathOf,
  servedAt,
  type AdmissionLimits,
  type Reply,
} from './admission-call.ts';
import type { AdmissionMetrics } from './admission-metrics.ts';
import type { AdmissionHandler } from './admission-review.ts';
import type { CertificateSource } from './certificate/source.ts';

export interface AdmissionServerOptions {
  /** 0: any free port. */
  port: number;
  /** Default: all addresses. */
  host?: string;
  certificate: CertificateSource;
  /** By path; one that ends in a slash stands for all below it. Any other path is answered with 404. */
  handlers: ReadonlyMap<string, AdmissionHandler>;
  metrics: AdmissionMetrics;
  logger: Logger;
  clock: Pick<Clock, 'now'>;
  limits?: Partial<AdmissionLimits>;
}

export interface AdmissionServer {
  port: number;
  /** Takes no new connection, answers the calls in flight, and resolves when the port is free again, at most 10 s later. */
  stop(): Promise<void>;
}

/** Longer than Go's 90 s, so that it is the API server who closes an idle connection: a call sent into ours would fail. */
const IDLE_MS = 120_000;

/** For a handshake, and for the headers of a call. */
const BEGIN_MS = 5000;

const CONNECTIONS = 500;

/** When stopping: for a call that is on its way, on a connection that has none. */
const ON_ITS_WAY_MS = 500;

/** When stopping: for calls in flight. Longer than any may take. */
const GRACE_MS = 10_000;

/**
 * Serves AdmissionReviews by HTTPS. A new certificate counts for new connections; those that are open, and the calls on them,
 * go on. Without a certificate each handshake fails. Throws what the system says if the port cannot be used.
 */
export async function startAdmissionServer(options: AdmissionServerOptions): Promise<AdmissionServer> {
  const { certificate, clock, handlers, logger, metrics } = options;
  const calls = createAdmissionCalls(handlers, { ...ADMISSION_LIMITS, ...options.limits });
  const connections = new Map<string, Connection>();
  let stopping = false;

  const server = createServer(
    { ...secrets(certificate), handshakeTimeout: BEGIN_MS, keepAliveTimeout: IDLE_MS, headersTimeout: BEGIN_MS },
    (call, response) => {
      serve(call, response).catch((error: unknown) => {
        logger.error('an admission call was not answered', { error });
        response.destroy();
      });
    },
  );
  server.maxConnections = CONNECTIONS;
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    connections.set(key, { socket, calls: 0 });
    socket.once('close', () => connections.delete(key));
  });
  server.on('tlsClientError', (error) => logger.debug('a TLS handshake failed', { error }));

  async function serve(call: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = clock.now();
    const gone = new AbortController();
    const connection = connections.get(keyOf(call.socket));
    if (connection !== undefined) connection.calls += 1;
    response.once('close', () => {
      if (connection !== undefined) connection.calls -= 1;
      // An abort makes an exception with its stack: a sixth of what a call costs, where nobody listens any more.
      if (!response.writableFinished) gone.abort();
    });
    const reply = await calls.answer(call, gone.signal);
    const path = pathOf(call);
    if (reply.error !== undefined) logger.error('an admission handler failed', { path, error: reply.error });
    metrics.answered(servedAt(handlers, path) ?? 'other', reply.outcome, (clock.now() - began) / 1000);
    send(response, reply, stopping || !call.complete);
  }

  /** Ends every connection with at most so many calls. */
  function cut(most: number): void {
    for (const { socket, calls } of connections.values()) {
      if (calls <= most) socket.destroy();
    }
  }

  const forget = certificate.onChange(() => {
    try {
      server.setSecureContext(secrets(certificate));
    } catch (error) {
      logger.error('the new webhook certificate cannot be used; the one before serves on', { error });
    }
  });
  try {
    await listen(server, options);
  } catch (error) {
    forget();
    throw error;
  }

  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      forget();
      stopping = true;
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      server.closeIdleConnections();
      const timers = [setTimeout(cut, ON_ITS_WAY_MS, 0), setTimeout(cut, GRACE_MS, Infinity)];
      await closed;
      timers.forEach((timer) => clearTimeout(timer));
    },
  };
}

interface Connection {
  /** The TCP connection; a call's socket is that of TLS above it. */
  socket: Socket;
  /** In flight. */
  calls: number;
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function secrets(certificate: CertificateSource): { cert?: string; key?: string; minVersion: 'TLSv1.2' } {
  const current = certificate.current();
  return { minVersion: 'TLSv1.2', ...(current === undefined ? {} : { cert: current.certificate, key: current.key }) };
}

/** `last`: the connection takes no further call. */
function send(response: ServerResponse, { status, type, body }: Reply, last: boolean): void {
  if (response.destroyed) return;
  // Without its length the body would be sent in chunks, each of them a TLS record of its own.
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, last ? { ...headers, connection: 'close' } : headers).end(body);
}

async function listen(server: Server, { port, host }: AdmissionServerOptions): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once('listening', listening.resolve).once('error', listening.reject);
  server.listen({ port, ...(host === undefined ? {} : { host }) });
  await listening.promise;
}
