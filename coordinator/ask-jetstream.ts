import type { NatsConnection } from '@nats-io/nats-core';
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

/** Calls `work` with a connection in the system account of the hubs. */
export async function withSystemAccount<Result>(
  address: SystemAddress,
  work: (system: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await connectToServer({
    ...(await hubConnection(address, address.systemCredentials)),
    name: 'system account',
    timeout: TIMEOUT_MS,
  });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/** Asks the hubs with the system account about JetStream. Returns the first answer. */
export const askJetStream = (address: SystemAddress): Promise<JetStreamReport> =>
  withSystemAccount(address, async (system) =>
    (
      await system.request('$SYS.REQ.SERVER.PING.JSZ', '', { timeout: TIMEOUT_MS })
    ).json<JetStreamReport>(),
  );
