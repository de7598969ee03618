import type { Command } from 'commander';
import { lockFolder } from '#bin/folder-lock.ts';
import {
  addCommands as addProviderCommands,
  type Engines,
  realEngines,
} from '#cli/provider/commands.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';

/**
 * The engines that `dinf provider` offers. The simulated one is added here, because provider/ must
 * not import simulator/.
 */
const engines: Engines = {
  ...realEngines,
  simulated: async () => (await import('#simulator')).createSimulatedEngine({ chip: 'm4-max' }),
};

export function addCommands(program: Command): void {
  const lock = (folder: string) =>
    lockFolder({ folder, command: 'provider', remedy: 'give this one another folder with --home' });
  addProviderCommands(program, { engines, ownModel: TINY_MODEL_FOLDER, lock });
}
