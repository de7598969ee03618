import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
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
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { measured } from '#observability';
import { closeListener, expectFree, listenBeside, passOnTo } from './listeners.ts';

/** Time between two checks whether the files of the certificate have changed, in milliseconds. */
const CHECK_MS = 5_000;
/** Length of the keys that encrypt session tickets, in bytes. */
const TICKET_KEYS = 48;
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
  readonly servers: readonly Server[];
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
  // A client may continue its session on any of the listeners.
  const ticketKeys = randomBytes(TICKET_KEYS);
  const secure = (of: KeyPair) => ({ ...of, ticketKeys, minVersion: 'TLSv1.2' as const });
  const create = () => passOnTo(plain, createServer({ ...limits, ...secure(pair) }, plain.routing));
  measured(metrics, 'dinf_https_certificate_expires_seconds', () => expiryOf(pair.cert) / 1_000);
  warnIfSoon(pair.cert, log);
  const reload = async (): Promise<void> => {
    try {
      const next = await readPair(certificateFile, keyFile);
      if (next.cert === pair.cert && next.key === pair.key) return;
      for (const server of servers) server.setSecureContext(secure(next));
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
  if (!sharesPort) await expectFree({ port, host });
  const first = create();
  first.listen({ port, host, reusePort: CAN_SHARE_PORTS });
  await once(first, 'listening');
  const servers = [first, ...(await listenBeside(first, create))];
  const files = [certificateFile, keyFile];
  const changed = () => void reload();
  for (const file of files) watchFile(file, { interval: checkMs, persistent: false }, changed);
  const { port: chosen } = first.address() as AddressInfo;
  return {
    servers,
    url: `https://${host}:${chosen}`,
    [Symbol.asyncDispose]: async () => {
      for (const file of files) unwatchFile(file, changed);
      await Promise.all(servers.map(closeListener));
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
