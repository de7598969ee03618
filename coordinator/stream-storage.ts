import { connectToServer } from '#bus-schemas';
import type { Config } from './config.ts';
import { type HubAddress, hubConnection } from './connect-bus.ts';
import type { StreamStorageError } from './streams.ts';

type StorageConfig = HubAddress & Pick<Config, 'systemCredentials'>;

const TIMEOUT_MS = 3_000;
const MB = 1_000_000;

interface ServerStorage {
  readonly server: { readonly name: string };
  readonly data?: {
    readonly config?: { readonly max_storage: number; readonly store_dir: string };
    readonly reserved_storage?: number;
  };
}

/**
 * Extends the message of the error with what an operator can do: the server and folder of the
 * streams, and their free space. If the system account cannot connect, it contains only general
 * advice.
 */
export async function explainStorage(
  { message }: StreamStorageError,
  config: StorageConfig,
): Promise<string> {
  const server = await askServer(config).catch(() => undefined);
  const { max_storage: most, store_dir: folder } = server?.data?.config ?? {};
  const offer =
    most === undefined || folder === undefined
      ? 'The hub did not report where it stores them.'
      : `The server ${server?.server.name} stores them in ${folder} and offers ${megabytes(most)}, of which ${megabytes(server?.data?.reserved_storage ?? 0)} are reserved.`;
  return `${message}. ${offer} A nats-server offers three quarters of the space that was free when it started. Free space there and restart it, or set max_file_store in its configuration.`;
}

const megabytes = (bytes: number) => `${Math.floor(bytes / MB)} MB`;

async function askServer(config: StorageConfig): Promise<ServerStorage> {
  const connection = await connectToServer({
    ...(await hubConnection(config, config.systemCredentials)),
    name: 'storage',
    timeout: TIMEOUT_MS,
  });
  try {
    return (
      await connection.request('$SYS.REQ.SERVER.PING.JSZ', '', { timeout: TIMEOUT_MS })
    ).json<ServerStorage>();
  } finally {
    await connection.close();
  }
}
