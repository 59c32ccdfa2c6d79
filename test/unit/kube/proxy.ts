import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A network between a client and a server on this machine that a test can break. */
export interface Proxy {
  url: string;
  /** Nothing passes any more, in either direction; connections stay open. */
  freeze: () => void;
  /** Ends all connections, and every new one at once. */
  cut: () => void;
  /** New connections pass again. */
  mend: () => void;
  stop: () => Promise<void>;
}

/** Listens on 127.0.0.1 and passes everything on to the host and port of `target`. */
export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let state: 'passing' | 'frozen' | 'cut' = 'passing';

  function pass(from: Socket, to: Socket): void {
    sockets.add(from);
    from.on('error', () => undefined);
    from.on('data', (chunk) => {
      if (state === 'passing') to.write(chunk);
    });
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  }

  function cut(): void {
    state = 'cut';
    for (const socket of sockets) socket.destroy();
  }

  const server = createServer((near) => {
    if (state === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze: () => {
      state = 'frozen';
    },
    cut,
    mend: () => {
      state = 'passing';
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
