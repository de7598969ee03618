import { type SimulatedFleet, startFleet } from '#simulator';
import type { Person, TestNetwork } from './test-network.ts';

interface MachineOptions {
  readonly name: string;
  readonly arePrivate?: boolean;
  readonly refuseBatches?: boolean;
}

export interface LinkedMachine {
  /** The code that the machine shows, before its owner approves it. */
  readonly userCode: string;
  /** Starts the machine, once its owner has approved the code. */
  start(options: MachineOptions): Promise<SimulatedFleet>;
}

/** A simulated machine that asks to be linked to an account. */
export async function askToLink(network: TestNetwork): Promise<LinkedMachine> {
  const asked = await network.ask('POST', '/v1/device/code', { body: { client_id: 'test' } });
  const { device_code, user_code: userCode } = asked.json;
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
  return {
    userCode,
    start: async ({ name, arePrivate = false, refuseBatches = false }) => {
      const body = { grant_type, device_code, client_id: 'test' };
      const answer = await network.ask('POST', '/v1/device/token', { body });
      return startFleet({
        coordinatorUrl: network.url,
        token: async () => answer.json.access_token ?? '',
        count: 1,
        natsServer: network.network.natsServer,
        home: `${network.network.home}/${name}`,
        leaves: 'own',
        log: network.log,
        profile: () => ({ chip: 'm4-max', tokenMs: 1, endless: true }),
        arePrivate,
        refuseBatches,
      });
    },
  };
}

/** Starts a machine that `owner` has approved. */
export async function startMachineOf(
  network: TestNetwork,
  owner: Person,
  options: MachineOptions,
): Promise<SimulatedFleet> {
  const machine = await askToLink(network);
  await owner.ask('POST', '/v1/device/approve', { user_code: machine.userCode });
  return machine.start(options);
}
