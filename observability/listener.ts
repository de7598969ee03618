import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { MetricsAddress } from './metrics-address.ts';
import { measureProcess } from './process-metrics.ts';

export interface MetricsListener extends AsyncDisposable {
  readonly url: string;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** Prometheus uses one connection; this leaves room for a second server and for people. */
const MAX_CONNECTIONS = 32;

/**
 * Offers the figures of this process to Prometheus on a port of their own, without a key. They show
 * load and charged amounts, but no accounts and no machines. Requests that arrive while the figures
 * are read share one reading.
 */
export async function offerMetrics(
  { host, port }: MetricsAddress,
  { metrics, log }: { readonly metrics: Registry; readonly log: Logger },
): Promise<MetricsListener> {
  measureProcess(metrics);
  let reading: Promise<string> | undefined;
  const read = () => {
    reading ??= metrics.metrics().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const answer = async (response: ServerResponse) => {
    try {
      const text = await read();
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
    } catch (error) {
      log.error({ err: error }, 'the figures for Prometheus could not be read');
      response.writeHead(500).end();
    }
  };
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    if (request.url !== '/metrics') response.writeHead(404).end();
    else if (request.method !== 'GET') response.writeHead(405, { allow: 'GET' }).end();
    else void answer(response);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  await listening;
  const { port: actual } = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${actual}/metrics`;
  log.info({ url }, 'the figures for Prometheus are offered');
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
