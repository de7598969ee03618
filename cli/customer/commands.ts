import type { Command } from 'commander';
import { addChatCommand } from './chat.ts';
import { addProxyCommand } from './proxy.ts';
import { addVerifyCommand } from './verify.ts';
import { addWitnessCommand } from './witness.ts';

/** The commands of customers. They check what the coordinator sends instead of trusting it. */
export function addCommands(program: Command): void {
  addChatCommand(program);
  addVerifyCommand(program);
  addProxyCommand(program);
  addWitnessCommand(program);
}
