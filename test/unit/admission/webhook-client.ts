import { request, type Agent } from 'node:https';

export interface Answered {
  status: number;
  body: string;
  connection: string | undefined;
}

export interface Call {
  port: number;
  ca: readonly string[];
  path?: string;
  method?: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
  agent?: Agent;
  signal?: AbortSignal;
}

/** The host that the certificates of these tests are for. */
export const HOST = '127.0.0.1';

/** One call, as the API server makes it. Rejects if there is no answer. */
export async function call(options: Call): Promise<Answered> {
  const { port, ca, path = '/review', method = 'POST', body = '', headers = {}, agent, signal } = options;
  const answered = Promise.withResolvers<Answered>();
  const sent = request(
    {
      host: HOST,
      port,
      path,
      method,
      ca: [...ca],
      agent: agent ?? false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
      ...(signal === undefined ? {} : { signal }),
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('error', answered.reject);
      response.on('end', () => {
        answered.resolve({ status: response.statusCode ?? 0, body: text, connection: response.headers.connection });
      });
    },
  );
  sent.on('error', answered.reject);
  sent.end(body);
  return answered.promise;
}
