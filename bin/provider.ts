import type { Command } from 'commander';
import { addCommands as addProviderCommands, type Engines, realEngines } from '#provider/cli.ts';
import { TINY_MODEL_FOLDER } from '#simulator/tiny-model.ts';
import { lockFolder } from './folder-lock.ts';

/** Here, because a provider knows no engines but real ones: the imagined one is the simulator's. */
const engines: Engines = {
  ...realEngines,
  simulated: async () => (await import('#simulator')).createSimulatedEngine({ chip: 'm4-max' }),
};

export function addCommands(program: Command): void {
  const lock = (folder: string) => lockFolder({ folder, command: 'provider', remedy: 'give this one another folder with --home' });
  addProviderCommands(program, { engines, ownModel: TINY_MODEL_FOLDER, lock });
}
