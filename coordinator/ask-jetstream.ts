import { connectToServer } from '#bus-schemas';
import type { Config } from './config.ts';
import { type HubAddress, hubConnection } from './connect-bus.ts';

export type SystemAddress = HubAddress & Pick<Config, 'systemCredentials'>;

const TIMEOUT_MS = 3_000;

/** The report of a hub about its JetStream. Without JetStream it has no data. */
export interface JetStreamReport {
  readonly server: { readonly name: string };
  readonly data?: {
    readonly config?: { readonly max_storage: number; readonly store_dir: string };
    readonly reserved_storage?: number;
    /** Absent if the hub is not part of a cluster. */
    readonly meta_cluster?: { readonly cluster_size: number };
  };
}

/** Asks the hubs with the system account about JetStream. Returns the first answer. */
export async function askJetStream(address: SystemAddress): Promise<JetStreamReport> {
  const connection = await connectToServer({
    ...(await hubConnection(address, address.systemCredentials)),
    name: 'JetStream report',
    timeout: TIMEOUT_MS,
  });
  try {
    return (
      await connection.request('$SYS.REQ.SERVER.PING.JSZ', '', { timeout: TIMEOUT_MS })
    ).json<JetStreamReport>();
  } finally {
    await connection.close();
  }
}
