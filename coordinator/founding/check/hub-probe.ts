import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

/** The properties that a hub states to every client that connects, before any credentials. */
export interface HubGreeting {
  readonly serverName: string;
  readonly version: string;
  readonly jetstream: boolean;
  readonly requiresTls: boolean;
  /** Milliseconds since 1970 at which the certificate expires; undefined without TLS. */
  readonly certificateUntil: number | undefined;
}

const TIMEOUT_MS = 3_000;
const MAX_GREETING_BYTES = 64 * 1024;

/**
 * Reads the greeting of the hub at a client address, and its certificate if the address demands
 * TLS. Throws if the certificate is not for this address or is not signed by the authority `ca`.
 */
export async function probeHub(url: string, ca: string | undefined): Promise<HubGreeting> {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connect({ host, port: Number(port) });
  try {
    const info = await readGreeting(socket);
    const certificateUntil =
      protocol === 'tls:' ? await certificateExpiry({ socket, host, ca }) : undefined;
    return {
      serverName: String(info['server_name'] ?? ''),
      version: String(info['version'] ?? ''),
      jetstream: info['jetstream'] === true,
      requiresTls: info['tls_required'] === true,
      certificateUntil,
    };
  } finally {
    socket.destroy();
  }
}

/** The first line of a hub is `INFO` and a JSON object. */
async function readGreeting(socket: Socket): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let text = '';
  while (!text.includes('\n')) {
    const [data] = (await once(socket, 'data', { signal })) as [Buffer];
    text += data.toString('utf8');
    if (text.length > MAX_GREETING_BYTES) throw new Error('the greeting is too long');
  }
  const json = /^INFO (\{.*\})/.exec(text)?.[1];
  if (json === undefined) throw new Error('the program at this address is not a nats-server');
  return JSON.parse(json) as Record<string, unknown>;
}

async function certificateExpiry({
  socket,
  host,
  ca,
}: {
  socket: Socket;
  host: string;
  ca: string | undefined;
}): Promise<number> {
  const encrypted: TLSSocket = connectTls({ socket, host, ...(ca && { ca }) });
  await once(encrypted, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return Date.parse(encrypted.getPeerCertificate().valid_to);
}
