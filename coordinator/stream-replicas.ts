import { messageOf } from '#bus-schemas/message-of.ts';
import { askJetStream, type SystemAddress } from './ask-jetstream.ts';
import type { Config } from './config.ts';

/** Number of copies of each stream, each on another hub. */
export interface StreamReplicas {
  readonly count: number;
  /** True if streams with more copies lose some: only an operator's setting may do that. */
  readonly mayLower: boolean;
  /** Why the number of hubs is not known, for an operator. */
  readonly sizeUnknown?: string;
}

/** The smallest cluster in which a stream goes on without one of its hubs. */
const SAFE_CLUSTER = 3;

/**
 * Copies that a cluster of this many hubs should keep. Two copies are worse than one: a stream
 * accepts facts only while more than half of its copies run, so it would need both hubs.
 */
const replicasFor = (hubs: number): number => (hubs >= SAFE_CLUSTER ? SAFE_CLUSTER : 1);

/**
 * The number of copies by `DINF_STREAM_REPLICAS`, or else by the size of the cluster, which the
 * hubs report to the system account. A hub that is away for the moment still counts.
 */
export async function wantedReplicas(
  config: SystemAddress & Pick<Config, 'streamReplicas'>,
): Promise<StreamReplicas> {
  if (config.streamReplicas !== undefined) return { count: config.streamReplicas, mayLower: true };
  try {
    const { data } = await askJetStream(config);
    return { count: replicasFor(data?.meta_cluster?.cluster_size ?? 1), mayLower: false };
  } catch (error) {
    return { count: 1, mayLower: false, sizeUnknown: messageOf(error) };
  }
}
