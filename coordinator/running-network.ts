import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a network that runs out of this home can be reached: what `dinf up` writes and every other command reads. */
export interface RunningNetwork {
  readonly natsUrl: string;
  readonly leafUrl: string;
  readonly httpUrl: string;
  readonly databaseUrl: string;
  /** Where people sign in, when that is a part of this network. */
  readonly issuer?: { readonly url: string; readonly secret: string };
}

const fileIn = (home: string) => join(home, 'network.json');

/** Undefined when nothing runs. */
export function runningNetwork(home: string): RunningNetwork | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(home), 'utf8')) as RunningNetwork;
  } catch {
    return undefined;
  }
}

/** Settings for those that the environment leaves out. Empty when nothing runs. */
export function runningSettings(home: string): NodeJS.ProcessEnv {
  const network = runningNetwork(home);
  if (network === undefined) return {};
  return {
    ...{ DINF_NATS_URL: network.natsUrl, DINF_LEAF_URL: network.leafUrl, DINF_COORDINATOR: network.httpUrl, DATABASE_URL: network.databaseUrl },
    ...(network.issuer && { DINF_OIDC_ISSUER: network.issuer.url }),
  };
}

/** The database's address holds a password, and the issuer's secret makes one anybody: 0600. */
export async function announceNetwork(home: string, network: RunningNetwork): Promise<AsyncDisposable> {
  const fresh = `${fileIn(home)}.new`;
  await writeFile(fresh, JSON.stringify(network), { mode: 0o600 });
  await rename(fresh, fileIn(home));
  return { [Symbol.asyncDispose]: () => rm(fileIn(home), { force: true }) };
}
