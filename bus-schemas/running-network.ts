import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/**
 * The addresses of the network that `dinf up` runs out of this home. `dinf up` writes them, every
 * other command reads them.
 */
export interface RunningNetwork {
  readonly natsUrl: string;
  readonly leafUrl: string;
  readonly httpUrl: string;
  readonly databaseUrl: string;
  /** The sign-in issuer, when it is a part of this network. */
  readonly issuer?: { readonly url: string; readonly secret: string };
}

const DEFAULT_COORDINATOR = 'http://127.0.0.1:8080';

/** The folder with the keys and data of the network or machine that a command works for. */
export const homeFolder = (env: NodeJS.ProcessEnv): string => resolve(env['DINF_HOME'] ?? '.dinf');

const fileIn = (home: string) => join(home, 'network.json');

/** Undefined when no network runs out of this home. */
export function runningNetwork(home: string): RunningNetwork | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(home), 'utf8')) as RunningNetwork;
  } catch {
    return undefined;
  }
}

/**
 * The coordinator that a command talks to unless it is told another: the network of its home goes
 * before the default port.
 */
export function coordinatorUrl(env: NodeJS.ProcessEnv): string {
  return (
    env['DINF_COORDINATOR'] || (runningNetwork(homeFolder(env))?.httpUrl ?? DEFAULT_COORDINATOR)
  );
}

/** Settings that the environment leaves out. Empty when no network runs out of this home. */
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
 * Mode 0600: the database's address holds a password, and with the issuer's secret a reader could
 * sign in as any person.
 */
export async function announceNetwork(
  home: string,
  network: RunningNetwork,
): Promise<AsyncDisposable> {
  const fresh = `${fileIn(home)}.new`;
  await writeFile(fresh, JSON.stringify(network), { mode: 0o600 });
  await rename(fresh, fileIn(home));
  return { [Symbol.asyncDispose]: () => rm(fileIn(home), { force: true }) };
}
