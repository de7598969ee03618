import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { connectToServer, credentialsAuthenticator, demandTls } from '#bus-schemas';

export interface HubAddress {
  readonly natsUrls: readonly string[];
  /** Certificate of the only authority that may vouch for a hub with a `tls://` address. */
  readonly hubCaFile: string;
}

export interface BusPlace extends HubAddress {
  readonly credentialsFile: string;
  readonly name: string;
  readonly log: Logger;
}

const RECONNECT_MS = 100;
const RECONNECT_JITTER_MS = 100;
/**
 * A hub that is frozen or unreachable is left after 1.6 to 2 s: four pings without an answer. A
 * component that is too busy to read answers sends no pings either, so its own delays do not count.
 */
const PING_MS = 400;
const PINGS_OUT = 4;
/** Time that a hub has to accept a connection, before the next one is tried, in milliseconds. */
const CONNECT_MS = 5_000;
const DRAIN_MS = 2_000;

/**
 * The options with which a component reaches the hubs. If one address demands TLS, all connections
 * do: otherwise an attacker on the path could answer for the other addresses without a certificate.
 */
export async function hubConnection(
  { natsUrls, hubCaFile }: HubAddress,
  credentialsFile: string,
): Promise<NodeConnectionOptions> {
  return {
    servers: [...natsUrls],
    authenticator: credentialsAuthenticator(await readFile(credentialsFile, 'utf8')),
    ...(demandTls(natsUrls) && { tls: { caFile: hubCaFile } }),
  };
}

/** Opens a connection that retries without end while no hub answers, at the start and later. */
export async function connectToHub({
  credentialsFile,
  name,
  log,
  ...address
}: BusPlace): Promise<NatsConnection> {
  const connection = await connectToServer({
    ...(await hubConnection(address, credentialsFile)),
    name,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT,
    timeout: CONNECT_MS,
    ignoreAuthErrorAbort: true,
  });
  void reportChanges(connection, log);
  return connection;
}

/**
 * Closes the connection after its last messages have been sent. While no hub answers, this cannot
 * succeed, so it stops waiting after `DRAIN_MS`.
 */
export async function leaveHub(connection: NatsConnection): Promise<void> {
  const late = new AbortController();
  await Promise.race([
    connection.drain().catch(() => undefined),
    delay(DRAIN_MS, undefined, { signal: late.signal }).catch(() => undefined),
  ]);
  late.abort();
  await connection.close();
}

async function reportChanges(connection: NatsConnection, log: Logger): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') log.warn('the connection to the hub is lost; reconnecting');
    if (status.type === 'reconnect') log.info('the connection to the hub is restored');
  }
}
