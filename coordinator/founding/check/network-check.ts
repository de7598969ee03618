import type { NatsConnection } from '@nats-io/nats-core';
import { connectToServer } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Config } from '#coordinator/config.ts';
import { hubConnection } from '#coordinator/connect-bus.ts';
import { wantedReplicas } from '#coordinator/stream-replicas.ts';
import { NotFoundedError, type OperatorHome, openOperatorHome } from '../operator-home.ts';
import { checkAccounts } from './account-checks.ts';
import { checkApi, checkDatabase } from './endpoint-checks.ts';
import { type CheckResult, failed, passed } from './finding.ts';
import { checkHubs } from './hub-checks.ts';
import { checkStreams } from './stream-checks.ts';

const TIMEOUT_MS = 3_000;

/**
 * Checks every part of a network from this machine. Each finding has a name, and a remedy if
 * something is wrong. A check that depends on a part that failed is left out.
 */
export async function checkNetwork(config: Config, now: number): Promise<CheckResult[]> {
  let operator: OperatorHome;
  try {
    operator = await openOperatorHome(config.keysFolder);
  } catch (error) {
    const remedy =
      error instanceof NotFoundedError
        ? 'run "dinf network init --hub HOST", or set DINF_HOME to the home of the network'
        : 'restore the keys from a backup';
    return [failed('keys', messageOf(error), remedy)];
  }
  const hubs = await checkHubs(config, now);
  const anyHub = hubs.some(({ state }) => state !== 'failed');
  return [
    passed('keys', `are in ${config.keysFolder}`),
    ...hubs,
    ...(anyHub ? await checkAs('system', config, (system) => checkAccounts(system, operator)) : []),
    ...(anyHub
      ? await checkAs('coordinator', config, async (core) =>
          checkStreams(core, await wantedReplicas(config)),
        )
      : []),
    ...(await checkDatabase(config.databaseUrl)),
    ...(await checkApi(config, now)),
  ];
}

async function checkAs(
  account: 'system' | 'coordinator',
  config: Config,
  check: (connection: NatsConnection) => Promise<CheckResult[]>,
): Promise<CheckResult[]> {
  const file = account === 'system' ? config.systemCredentials : config.coreCredentials;
  try {
    const connection = await connectToServer({
      ...(await hubConnection(config, file)),
      name: 'network check',
      timeout: TIMEOUT_MS,
    });
    try {
      return await check(connection);
    } finally {
      await connection.close();
    }
  } catch (error) {
    return [
      failed(
        `credentials of the ${account} account`,
        `cannot be used: ${messageOf(error)}`,
        'the hubs must run with the configuration that "dinf network init" wrote for these keys',
      ),
    ];
  }
}
