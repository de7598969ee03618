import type { Command } from 'commander';
import { addAccountCommands } from './accounts.ts';
import { addCanaryCommand } from './canary.ts';
import { addCoordinatorCommands } from './coordinator.ts';
import { addDecodeCommand } from './decode.ts';
import { addKeyCommands } from './keys.ts';
import { addLedgerCommands } from './ledger.ts';
import { addModelCommands } from './models.ts';
import { addNetworkCommands } from './network.ts';
import { addPeopleCommands } from './people.ts';
import { addProviderCommands } from './providers.ts';
import { addRewardCommands } from './rewards.ts';
import { addRoutingCommands } from './routing.ts';
import { addStatsCommand } from './stats.ts';
import { addTopCommand } from './top.ts';
import { addTrustCommands } from './trust.ts';

/**
 * The commands of operators. They are declared for every `dinf`, so that each action imports what
 * is slow to load by itself.
 */
export function addCommands(program: Command): void {
  addCoordinatorCommands(program);
  addNetworkCommands(program);
  addKeyCommands(program);
  addProviderCommands(program);
  addAccountCommands(program);
  addPeopleCommands(program);
  addModelCommands(program);
  addRoutingCommands(program);
  addTrustCommands(program);
  addCanaryCommand(program);
  addTopCommand(program);
  addStatsCommand(program);
  addDecodeCommand(program);
  addLedgerCommands(program);
  addRewardCommands(program);
}
