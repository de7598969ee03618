import { type NatsConnection, NoRespondersError } from '@nats-io/nats-core';
import { type ServiceIdentity, Svcm } from '@nats-io/services';
import { type ComponentName, services } from '#bus-schemas';
import packageJson from '../package.json' with { type: 'json' };
import { readMigrations } from './database/migration-files.ts';

/** Name of the service with which every process of the coordinator announces its version. */
const SERVICE = 'coordinator';
/** Field in the metadata of a component's service: the version of its process. */
const VERSION_FIELD = 'process_version';
/** Field in the same metadata: the abilities of its process. */
const ABILITIES_FIELD = 'abilities';
/**
 * Abilities that other processes must be sure of before they use them, because a process without
 * one would do harm: without `receipt_groups`, settlement stores a receipt without its place in the
 * group, so that its signature is never valid again.
 */
const ABILITIES = ['receipt_groups'] as const;
export type Ability = (typeof ABILITIES)[number];
/** Metadata of every service of a component. */
export const SERVICE_METADATA: Readonly<Record<string, string>> = {
  [VERSION_FIELD]: packageJson.version,
  [ABILITIES_FIELD]: ABILITIES.join(' '),
};
/** Names of the components that serve methods. */
const COMPONENTS: ReadonlySet<string> = new Set(
  Object.values(services)
    .flatMap((part): unknown[] => Object.values(part))
    .filter(isMethod)
    .map(({ component }) => component),
);
/** Time for which answers of processes are collected, in milliseconds. */
const COLLECT_MS = 1_000;

/**
 * Announces the version of this process, and the contract migrations that it contains, as a service
 * on the bus. The subscription is the announcement: it ends with the process, and nothing is stored.
 */
export async function announceVersion(
  connection: NatsConnection,
  components: readonly ComponentName[],
): Promise<void> {
  const migrations = await readMigrations();
  const contracts = migrations.filter(({ kind }) => kind === 'contract').map(({ name }) => name);
  await new Svcm(connection).add({
    name: SERVICE,
    version: packageJson.version,
    description: 'a process of the coordinator and its version',
    metadata: { components: components.join(' '), contracts: contracts.join(' ') },
  });
  await connection.flush();
}

/**
 * Returns a description of each running process whose version does not contain the contract
 * migration, and of each component whose version is older than these announcements.
 */
export async function processesWithout(
  connection: NatsConnection,
  migration: string,
  collectMs = COLLECT_MS,
): Promise<readonly string[]> {
  const older: string[] = [];
  for (const { name, version, metadata = {} } of await runningServices(connection, collectMs)) {
    const { components = '', contracts = '' } = metadata;
    if (name === SERVICE) {
      if (!contracts.split(' ').includes(migration))
        older.push(`${components} of version ${version}`);
    } else if (COMPONENTS.has(name) && !(VERSION_FIELD in metadata))
      older.push(`${name} of an unknown version`);
  }
  return older;
}

/** The components that no process runs now. */
export async function missingComponents(
  connection: NatsConnection,
  collectMs = COLLECT_MS,
): Promise<readonly string[]> {
  const running = new Set((await runningServices(connection, collectMs)).map(({ name }) => name));
  return [...COMPONENTS].filter((name) => !running.has(name)).toSorted();
}

/** Returns true if the component runs, and every process that runs it has the ability. */
export async function isAbleEverywhere(
  connection: NatsConnection,
  { component, ability }: { component: ComponentName; ability: Ability },
  collectMs = COLLECT_MS,
): Promise<boolean> {
  const found = await runningServices(connection, collectMs, component);
  return (
    found.length > 0 &&
    found.every(({ metadata }) => metadata?.[ABILITIES_FIELD]?.split(' ').includes(ability))
  );
}

/** Beside the methods, the table has limits and parts of messages. */
function isMethod(part: unknown): part is { readonly component: ComponentName } {
  return typeof part === 'object' && part !== null && 'component' in part;
}

async function runningServices(
  connection: NatsConnection,
  collectMs: number,
  name?: string,
): Promise<readonly ServiceIdentity[]> {
  const client = new Svcm(connection).client({ strategy: 'timer', maxWait: collectMs });
  const found: ServiceIdentity[] = [];
  try {
    for await (const service of await client.ping(name)) found.push(service);
  } catch (error) {
    if (!(error instanceof NoRespondersError)) throw error;
  }
  return found;
}
