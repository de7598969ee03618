import type { Command } from 'commander';
import { addCommands as addProviderCommands, type Engines } from '#provider/cli.ts';

/** Here, because a provider knows no engine but by its face. Engines for real models join this list. */
const engines: Engines = {
  simulated: async () => (await import('#simulator')).createSimulatedEngine({ chip: 'm4-max' }),
};

export function addCommands(program: Command): void {
  addProviderCommands(program, engines);
}
