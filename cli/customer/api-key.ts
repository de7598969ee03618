import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { apiKeyFile, homeFolder, runningNetwork } from '#bus-schemas/running-network.ts';
import { readIfThere } from '#bus-schemas/saved-file.ts';
import { setting } from '#bus-schemas/settings/settings.ts';

/** The API key of a command: `DINF_API_KEY`, or else the one of the network that runs in the home. */
export async function apiKeyFor(coordinator: string): Promise<string> {
  const given = setting('DINF_API_KEY');
  if (given !== undefined) return given;
  const home = homeFolder(process.env);
  // The key of "dinf up" belongs to its network, and must not be sent to another coordinator.
  const isOwn = runningNetwork(home)?.httpUrl === coordinator;
  const own = isOwn ? await readIfThere(apiKeyFile(home)) : undefined;
  if (own !== undefined) return own.trim();
  throw new CommandError(
    EXIT.usage,
    `There is no API key for ${coordinator}. Set DINF_API_KEY to one; "dinf up" starts a network here and makes one.`,
  );
}
