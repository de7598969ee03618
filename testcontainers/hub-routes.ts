import type { RouteUrl } from '#network';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/**
 * The routes between the hubs of a cluster, which a test can break: each hub reaches each other hub
 * through a proxy of its own. Pass `url` to the cluster.
 */
export class HubRoutes implements AsyncDisposable {
  readonly #proxies: { readonly from: number; readonly to: number; readonly proxy: TcpProxy }[] =
    [];

  readonly url: RouteUrl = async ({ from, to, port }) => {
    const proxy = await startTcpProxy({ host: '127.0.0.1', port });
    this.#proxies.push({ from, to, proxy });
    return `nats-route://${proxy.host}:${proxy.port}`;
  };

  /** No byte passes between this hub and the others, as if a network dropped every packet. */
  isolate(hub: number): void {
    for (const { from, to, proxy } of this.#proxies)
      if (from !== to && (from === hub || to === hub)) proxy.pause();
  }

  heal(): void {
    for (const { proxy } of this.#proxies) proxy.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { proxy } of this.#proxies) await proxy[Symbol.asyncDispose]();
  }
}
