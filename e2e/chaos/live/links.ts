import { startTcpProxy, type TcpProxy } from '#testcontainers';

/** The connections of one process to one server, which a fault can break. */
export class Links implements AsyncDisposable {
  readonly #proxies = new Map<string, TcpProxy>();

  /** Opens a port at which `from` reaches the server. Returns the port. */
  async open(from: string, to: string, port: number): Promise<number> {
    const proxy = await startTcpProxy({ host: '127.0.0.1', port });
    this.#proxies.set(`${from} and ${to}`, proxy);
    return proxy.port;
  }

  /** The names of all links, such as "routing and Postgres". */
  names(): string[] {
    return [...this.#proxies.keys()];
  }

  get(name: string): TcpProxy {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new Error(`there is no link "${name}"`);
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}
