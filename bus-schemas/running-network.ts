import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder } from './program-folders.mjs';
import { replace } from './saved-file.ts';
import { setting } from './settings/settings.ts';

export { homeFolder };

/**
 * The addresses of the network that `dinf up` runs out of this home. `dinf up` writes them, every
 * other command reads them.
 */
export interface RunningNetwork {
  readonly natsUrl: string;
  readonly leafUrl: string;
  readonly httpUrl: string;
  readonly databaseUrl: string;
  /** The sign-in issuer, if it is a part of this network. */
  readonly issuer?: { readonly url: string; readonly secret: string };
}

const DEFAULT_COORDINATOR = 'http://127.0.0.1:8080';

/** The file with the API key that `dinf up` made for its owner. */
export const apiKeyFile = (home: string): string => join(home, 'api-key');

const fileIn = (home: string) => join(home, 'network.json');

/** Returns undefined if no network runs out of this home. */
export function runningNetwork(home: string): RunningNetwork | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(home), 'utf8')) as RunningNetwork;
  } catch {
    return undefined;
  }
}

/**
 * Returns the URL of the coordinator for a command: `DINF_COORDINATOR`, or else the network that
 * runs out of the home, or else the default port on this machine.
 */
export function coordinatorUrl(env: NodeJS.ProcessEnv): string {
  return (
    setting('DINF_COORDINATOR', env) ??
    runningNetwork(homeFolder(env))?.httpUrl ??
    DEFAULT_COORDINATOR
  );
}

/** Returns the settings of the network that runs out of this home; empty if none runs. */
export function runningSettings(home: string): NodeJS.ProcessEnv {
  const network = runningNetwork(home);
  if (network === undefined) return {};
  return {
    DINF_NATS_URL: network.natsUrl,
    DINF_LEAF_URL: network.leafUrl,
    DINF_COORDINATOR: network.httpUrl,
    DATABASE_URL: network.databaseUrl,
    ...(network.issuer && { DINF_OIDC_ISSUER: network.issuer.url }),
  };
}

/**
 * Writes the addresses of the network. The file has mode 0600, because the database's URL contains
 * a password, and because a reader of the issuer's secret could sign in as any person.
 */
export async function announceNetwork(
  home: string,
  network: RunningNetwork,
): Promise<AsyncDisposable> {
  await replace(fileIn(home), JSON.stringify(network));
  return { [Symbol.asyncDispose]: () => rm(fileIn(home), { force: true }) };
}
