import { consumers, eventStreams } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';

export interface StreamReport {
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
  readonly maximumBytes: number;
  /** The hub that writes the stream; undefined while the hubs choose one. */
  readonly leader: string | undefined;
  /** The other copies. One that is not current has fewer messages than the leader. */
  readonly copies: readonly {
    readonly hub: string;
    readonly isCurrent: boolean;
    /** Messages that it has yet to receive. */
    readonly lag: number;
  }[];
  readonly readers: readonly {
    readonly reader: string;
    readonly waiting: number;
    readonly unacknowledged: number;
  }[];
}

/** What JetStream reports about each stream, and how far its readers are. */
export async function reportStreams(bus: Pick<Bus, 'manager'>): Promise<StreamReport[]> {
  const manager = await bus.manager();
  return Promise.all(
    eventStreams.map(async ({ name }) => {
      const own = Object.values(consumers).filter(({ stream }) => stream === name);
      const [{ config, state, cluster }, ...infos] = await Promise.all([
        manager.streams.info(name),
        ...own.map((consumer) => manager.consumers.info(name, consumer.name)),
      ]);
      return {
        stream: name,
        messages: state.messages,
        bytes: state.bytes,
        maximumBytes: config.max_bytes,
        leader: cluster?.leader,
        copies: (cluster?.replicas ?? []).map(({ name: hub, current, offline, lag }) => ({
          hub,
          isCurrent: current && offline !== true,
          lag: lag ?? 0,
        })),
        readers: infos.map((info) => ({
          reader: info.name,
          waiting: info.num_pending,
          unacknowledged: info.num_ack_pending,
        })),
      };
    }),
  );
}
