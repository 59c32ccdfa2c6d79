import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** Answers why it is not well, or undefined if it is. Must be quick: the kubelet asks every few seconds. */
export type HealthCheck = () => string | undefined;

/** By the name that the answer shows. */
export type HealthChecks = Readonly<Record<string, HealthCheck>>;

export interface HealthServerOptions {
  /** 0: any free port. */
  port: number;
  /** Default: all addresses. */
  host?: string;
  checks: {
    /** Behind /healthz and /livez: if one fails the kubelet restarts the container. */
    livez: HealthChecks;
    /** Behind /readyz. */
    readyz: HealthChecks;
  };
  /** Behind /metrics. */
  metrics: Registry;
}

export interface HealthServer {
  port: number;
  /** Resolves when the port is free again; answers in progress are cut. */
  stop(): Promise<void>;
}

/** Plain HTTP for the kubelet and Prometheus. Throws what the system says if the port cannot be used. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(request, options)
      .catch((error: unknown): Answer => ({ status: 500, body: `${String(error)}\n` }))
      .then((result) => send(response, result))
      .catch(() => response.destroy());
  });
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Answer {
  status: number;
  type?: string;
  body: string;
}

async function answer({ method, url = '/' }: IncomingMessage, options: HealthServerOptions): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'method not allowed\n' };
  switch (url.replace(/\?.*$/s, '')) {
    case '/healthz':
    case '/livez':
      return checkAll(options.checks.livez);
    case '/readyz':
      return checkAll(options.checks.readyz);
    case '/metrics':
      return { status: 200, type: options.metrics.contentType, body: await options.metrics.metrics() };
    default:
      return { status: 404, body: 'not found\n' };
  }
}

/** One line per check, as the API server's own: `[+]name ok` or `[-]name failed: reason`. */
function checkAll(checks: HealthChecks): Answer {
  const results = Object.entries(checks).map(([name, check]) => ({ name, reason: reasonOf(check) }));
  const failed = results.some(({ reason }) => reason !== undefined);
  const lines = results.map(({ name, reason }) =>
    reason === undefined ? `[+]${name} ok` : `[-]${name} failed: ${reason}`,
  );
  return { status: failed ? 503 : 200, body: [...lines, failed ? 'failed' : 'ok', ''].join('\n') };
}

function reasonOf(check: HealthCheck): string | undefined {
  try {
    return check();
  } catch (error) {
    return `the check itself failed: ${String(error)}`;
  }
}

function send(response: ServerResponse, { status, type = 'text/plain; charset=utf-8', body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}

async function listen(server: Server, { port, host }: HealthServerOptions): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once('listening', listening.resolve).once('error', listening.reject);
  server.listen({ port, ...(host === undefined ? {} : { host }) });
  await listening.promise;
}
