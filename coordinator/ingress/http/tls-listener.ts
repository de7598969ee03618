import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { HttpsConfig } from '#coordinator/config.ts';
import { expiryOf } from '#coordinator/founding/certificate-expiry.ts';
import { closeWithin } from '#http-api/server.ts';
import { measured } from '#observability';

/** Time between two checks whether the files of the certificate have changed, in milliseconds. */
const CHECK_MS = 5_000;
const DAY_MS = 86_400_000;
/** A certificate with less time left than this is reported in the log, in milliseconds. */
const SOON_MS = 14 * DAY_MS;

export interface TlsListenerOptions {
  /** The server whose routes are offered by TLS. */
  readonly server: FastifyInstance;
  readonly https: HttpsConfig;
  readonly sharesPort: boolean;
  /** Limits of the server that TLS connections share, such as its timeouts. */
  readonly limits: ServerOptions;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly checkMs?: number;
}

export interface TlsListener extends AsyncDisposable {
  readonly server: Server;
  readonly url: string;
}

/**
 * Offers the routes of a server by TLS. When the certificate is renewed, new connections get the
 * new one; open connections are not interrupted.
 */
export async function startTlsListener({
  server: plain,
  https: { host, port, certificateFile, keyFile },
  sharesPort,
  limits,
  log,
  metrics,
  checkMs = CHECK_MS,
}: TlsListenerOptions): Promise<TlsListener> {
  let pair = await readPair(certificateFile, keyFile);
  const server = createServer({ ...limits, ...pair, minVersion: 'TLSv1.2' }, plain.routing);
  // WebSockets are opened by the listener without TLS, which has the handler for it.
  server.on('upgrade', (...upgrade) => plain.server.emit('upgrade', ...upgrade));
  measured(metrics, 'dinf_https_certificate_expires_seconds', () => expiryOf(pair.cert) / 1_000);
  warnIfSoon(pair.cert, log);
  const reload = async (): Promise<void> => {
    try {
      const next = await readPair(certificateFile, keyFile);
      if (next.cert === pair.cert && next.key === pair.key) return;
      server.setSecureContext({ ...next, minVersion: 'TLSv1.2' });
      pair = next;
      log.info(
        { until: new Date(expiryOf(pair.cert)).toISOString() },
        'the API uses a new certificate',
      );
      warnIfSoon(pair.cert, log);
    } catch (error) {
      // Certificate and key are two files, so one of them may be new already.
      log.warn({ err: error }, 'the new certificate of the API cannot be used; the old one stays');
    }
  };
  const files = [certificateFile, keyFile];
  const changed = () => void reload();
  for (const file of files) watchFile(file, { interval: checkMs, persistent: false }, changed);
  server.listen({ port, host, reusePort: sharesPort });
  await once(server, 'listening');
  const { port: chosen } = server.address() as AddressInfo;
  return {
    server,
    url: `https://${host}:${chosen}`,
    [Symbol.asyncDispose]: async () => {
      for (const file of files) unwatchFile(file, changed);
      await closeWithin(server, () => {
        server.close();
        server.closeIdleConnections();
        return once(server, 'close');
      });
    },
  };
}

interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Reads certificate and key, and throws if they do not belong together. */
async function readPair(certificateFile: string, keyFile: string): Promise<KeyPair> {
  const [cert, key] = await Promise.all([
    readFile(certificateFile, 'utf8'),
    readFile(keyFile, 'utf8'),
  ]);
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error(
      `The key in ${keyFile} does not belong to the certificate in ${certificateFile}.`,
    );
  return { cert, key };
}

function warnIfSoon(cert: string, log: Logger): void {
  const until = expiryOf(cert);
  if (until - Date.now() < SOON_MS)
    log.warn(
      { until: new Date(until).toISOString() },
      'the certificate of the API expires soon; renew the files of DINF_TLS_CERT and DINF_TLS_KEY',
    );
}
