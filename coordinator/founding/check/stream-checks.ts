import {
  type ClusterInfo,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { consumers, eventStreams } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { StreamReplicas } from '#coordinator/stream-replicas.ts';
import { type CheckResult, failed, passed, warning } from './finding.ts';

const TIMEOUT_MS = 3_000;

/**
 * Checks each stream: whether it has a leader, so that facts can be stored, whether it has as many
 * replicas as it should, whether all of them have every fact, and how many facts are not read yet.
 */
export async function checkStreams(
  core: NatsConnection,
  replicas: StreamReplicas,
): Promise<CheckResult[]> {
  // The check of the API is left out: it fails for as long as the cluster has no leader.
  const manager = await jetstreamManager(core, { timeout: TIMEOUT_MS, checkAPI: false });
  return Promise.all(eventStreams.map(({ name }) => checkStream(manager, name, replicas)));
}

async function checkStream(
  manager: JetStreamManager,
  name: string,
  { count: wanted }: StreamReplicas,
): Promise<CheckResult> {
  const check = `stream ${name}`;
  try {
    const { config, cluster } = await manager.streams.info(name);
    const readers = await readersOf(manager, name);
    const groups = [cluster, ...readers.map((reader) => reader.cluster)];
    const has = config.num_replicas === 1 ? 'has 1 replica' : `has ${config.num_replicas} replicas`;
    if (groups.some((group) => group !== undefined && !group.leader)) return leaderless(check);
    if (groups.some((group) => membersOf(group) < config.num_replicas))
      return warning(check, `${has}, which are being made`, 'repeat the check in a few seconds');
    const behind = new Set(groups.flatMap(peersBehind));
    if (behind.size > 0)
      return warning(
        check,
        `${has}, of which those on ${[...behind].toSorted().join(', ')} do not have every fact`,
        'start these hubs; a replica that was away gets the missing facts by itself',
      );
    if (config.num_replicas < wanted)
      return warning(
        check,
        `${has}, and the cluster can keep ${wanted}`,
        'run "dinf migrate"; until then the stream pauses while its hub is away',
      );
    const unread = readers.reduce((sum, each) => sum + each.num_pending + each.num_ack_pending, 0);
    return passed(
      check,
      `${has}, ${unread === 0 ? 'every fact is read' : `${unread} facts wait for a reader`}`,
    );
  } catch (error) {
    if (error instanceof Error && /not found/.test(error.message))
      return failed(check, 'is missing, so facts cannot be stored', 'run "dinf migrate"');
    // JetStream reports a stream whose replicas are away in several ways, or not at all.
    return error instanceof JetStreamApiError || isTimeout(error)
      ? leaderless(check, messageOf(error))
      : failed(check, `cannot be read: ${messageOf(error)}`, 'check the hubs first');
  }
}

const readersOf = (manager: JetStreamManager, stream: string) =>
  Promise.all(
    Object.values(consumers)
      .filter((consumer) => consumer.stream === stream)
      .map(({ name }) => manager.consumers.info(stream, name)),
  );

/** Number of hubs with a replica: the leader and the others. Without a cluster there is one. */
const membersOf = (group: ClusterInfo | undefined): number => 1 + (group?.replicas?.length ?? 0);

const peersBehind = (group: ClusterInfo | undefined): string[] =>
  (group?.replicas ?? []).filter((peer) => peer.offline || !peer.current).map(({ name }) => name);

const isTimeout = (error: unknown) => error instanceof Error && error.name === 'TimeoutError';

const leaderless = (check: string, because?: string): CheckResult =>
  failed(
    check,
    `has no leader, so facts wait in the memory of the components${because === undefined ? '' : ` (${because})`}`,
    'start the hubs that are away: more than half of the replicas must run',
  );
