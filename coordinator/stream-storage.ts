import { askJetStream, type SystemAddress } from './ask-jetstream.ts';
import type { StreamStorageError } from './streams.ts';

const MB = 1_000_000;

/**
 * Extends the message of the error with what an operator can do: the server and folder of the
 * streams, and their free space. If the system account cannot connect, it contains only general
 * advice.
 */
export async function explainStorage(
  { message }: StreamStorageError,
  address: SystemAddress,
): Promise<string> {
  const hub = await askJetStream(address).catch(() => undefined);
  const { max_storage: most, store_dir: folder } = hub?.data?.config ?? {};
  const offer =
    most === undefined || folder === undefined
      ? 'The hub did not report where it stores them.'
      : `The server ${hub?.server.name} stores them in ${folder} and offers ${megabytes(most)}, of which ${megabytes(hub?.data?.reserved_storage ?? 0)} are reserved.`;
  return `${message}. ${offer} A nats-server offers three quarters of the space that was free when it started. Free space there and restart it, or set max_file_store in its configuration.`;
}

const megabytes = (bytes: number) => `${Math.floor(bytes / MB)} MB`;
