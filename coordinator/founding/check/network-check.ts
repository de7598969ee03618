import { connectToServer } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Config } from '#coordinator/config.ts';
import { hubConnection } from '#coordinator/connect-bus.ts';
import { NotFoundedError, type OperatorHome, openOperatorHome } from '../operator-home.ts';
import { checkAccounts } from './account-checks.ts';
import { checkApi, checkDatabase } from './endpoint-checks.ts';
import { type Finding, failed, ok } from './finding.ts';
import { checkHubs } from './hub-checks.ts';

const TIMEOUT_MS = 3_000;

/**
 * Checks every part of a network from this machine. Each finding has a name, and a remedy if
 * something is wrong. A check that depends on a part that failed is left out.
 */
export async function checkNetwork(config: Config, now: number): Promise<Finding[]> {
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
    ok('keys', `are in ${config.keysFolder}`),
    ...hubs,
    ...(anyHub ? await checkAsSystem(config, operator) : []),
    ...(await checkDatabase(config.databaseUrl)),
    ...(await checkApi(config, now)),
  ];
}

async function checkAsSystem(config: Config, operator: OperatorHome): Promise<Finding[]> {
  try {
    const system = await connectToServer({
      ...(await hubConnection(config, config.systemCredentials)),
      name: 'network check',
      timeout: TIMEOUT_MS,
    });
    try {
      return await checkAccounts(system, operator);
    } finally {
      await system.close();
    }
  } catch (error) {
    return [
      failed(
        'credentials',
        `the hubs refuse the credentials of the system account: ${messageOf(error)}`,
        'the hubs must run with the configuration that "dinf network init" wrote for these keys',
      ),
    ];
  }
}
