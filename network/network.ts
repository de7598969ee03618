import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { allEnded, type ComponentName, type NewModel, services } from '#bus-schemas';
import { isSet } from '#bus-schemas/settings/settings.ts';
import {
  Bus,
  type Config,
  type Coordinator,
  connectToHub,
  ensureStreams,
  explainStorage,
  type HubTls,
  hubConfig,
  leafUrlOf,
  loadComponents,
  makeApiKey,
  migrate,
  prepareOperatorHome,
  readConfig,
  StreamStorageError,
  startCoordinator,
  wantedReplicas,
} from '#coordinator';
import {
  cacheFolder,
  findNatsServer,
  LaunchError,
  type NatsPorts,
  type Restartable,
  startNatsServer,
} from '#provider';
import { type RouteUrl, startHubCluster } from './hub-cluster.ts';
import type { NatsNode, NatsNodeOptions } from './nats-node.ts';
import { type OidcIssuer, startOidcIssuer } from './oidc-issuer.ts';
import { startLocalPostgres } from './postgres/postgres.ts';
import type { PostgresNode, PostgresOptions } from './postgres/postgres-server.ts';

export interface NetworkOptions {
  /** Folder for keys and data. If absent, a temporary one is used and deleted at the end. */
  readonly home?: string;
  /** URL of an existing Postgres; if absent, one is started. */
  readonly databaseUrl?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Settings that override those of the environment. */
  readonly config?: Partial<Config>;
  readonly hubPorts?: Partial<NatsPorts>;
  /** Number of hubs of a cluster of local processes; by default there is a single hub. */
  readonly clusterOf?: number;
  /** Addresses of the routes between the hubs of a cluster. */
  readonly routeUrl?: RouteUrl;
  /** Starts the hub, for example in a container; by default it is a process of this machine. */
  readonly startHub?: (options: NatsNodeOptions) => Promise<NatsNode>;
  /** Starts Postgres, for example in a container; by default it is a process of this machine. */
  readonly startPostgres?: (options: PostgresOptions) => Promise<PostgresNode>;
  /** Port of the sign-in service; a free one by default. */
  readonly issuerPort?: number;
  /**
   * Host name or address of this machine for the leaves of other machines. With it the hub accepts
   * leaves on every address, by TLS. Without it only this machine reaches the hub.
   */
  readonly publicHost?: string;
  /** Components of the coordinator to start; all by default. The ingress must be one of them. */
  readonly components?: readonly ComponentName[];
  readonly log: Logger;
  /** Called with the name of each part before it starts, to show the progress to a user. */
  readonly say?: (line: string) => void;
}

interface SignedIn {
  readonly account: string;
  readonly user: string;
}

/** A running network without providers: hub, database and coordinator. */
export interface Network extends AsyncDisposable {
  readonly url: string;
  readonly home: string;
  readonly natsServer: string;
  readonly hub: NatsNode;
  /** Address of the hub for leaves on this machine. */
  readonly localLeafUrl: string;
  /** All hubs: one, or as many as `clusterOf` demands. */
  readonly hubs: readonly NatsNode[];
  readonly postgres: PostgresNode | undefined;
  readonly databaseUrl: string;
  /**
   * Child processes that the caller must restart if they end. Containers are not among them, and
   * with a `databaseUrl` there is no Postgres.
   */
  readonly children: readonly { readonly name: string; readonly child: Restartable }[];
  readonly config: Config;
  readonly coordinator: Coordinator;
  /** The sign-in service; undefined if the settings name an external one. */
  readonly issuer: OidcIssuer | undefined;
  /** The person of this name at the sign-in service, who is created if needed. */
  personOf(name: string): Promise<SignedIn>;
  /**
   * Signs a person in. Returns a token for the routes that API keys cannot use, and the person with
   * their account.
   */
  signIn(name: string): Promise<{ token: string } & SignedIn>;
  createKey(options: {
    name: string;
    creditMicroUsd: number;
    account?: string;
  }): Promise<{ account: string; key: string; apiKey: string }>;
  enrolToken(): Promise<string>;
  putModels(
    models: readonly Omit<NewModel, 'createdAt'>[],
    aliases?: readonly { alias: string; model: string }[],
  ): Promise<void>;
}

const CALL = { timeoutMs: 10_000 };
const TOKEN_LIFETIME_MS = 3_600_000;
/** Name of the database in a Postgres that a network starts. */
export const DATABASE = 'dinf';
const EVERY_ADDRESS = '0.0.0.0';

export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const { env = process.env, log, say = () => undefined } = options;
  await using started = new AsyncDisposableStack();
  const home = options.home === undefined ? await temporaryHome(started) : resolve(options.home);
  // Read the settings first, so that a wrong one is reported before any part of the network starts.
  const settings = readConfig({ ...env, DINF_HOME: home });
  const operator = await prepareOperatorHome(settings.keysFolder);

  say('nats-server');
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(env), env, log: say });
  const { startHub = localHubStarter({ natsServer, home }), startPostgres = startLocalPostgres } =
    options;
  const tls =
    options.publicHost === undefined
      ? undefined
      : await hubTls(options.publicHost, { home, keysFolder: settings.keysFolder });
  const startHubs = async (): Promise<readonly NatsNode[]> => {
    if (options.clusterOf !== undefined) {
      const { clusterOf: count, routeUrl } = options;
      const cluster = { natsServer, home, operator, count, ...(routeUrl && { routeUrl }) };
      return started.use(await startHubCluster(cluster)).hubs;
    }
    const config: NatsNodeOptions['config'] = (place) =>
      hubConfig(
        { ...place, ...(tls && { leafHost: EVERY_ADDRESS }) },
        { operator, ...(tls && { tls }) },
      );
    return [started.use(await startHub({ config, ports: options.hubPorts ?? {} }))];
  };
  const startDatabase = async () => {
    if (options.databaseUrl !== undefined)
      return { postgres: undefined, databaseUrl: options.databaseUrl };
    say('Postgres');
    const dataFolder = options.home === undefined ? {} : { dataDir: join(home, 'postgres') };
    const postgres = started.use(await startPostgres(dataFolder));
    return { postgres, databaseUrl: await postgres.createDatabase(DATABASE) };
  };
  const [hubs, { postgres, databaseUrl }] = await allEnded(
    startHubs(),
    startDatabase(),
    loadComponents(options.components),
  );
  const [hub] = hubs;
  if (hub === undefined) throw new Error('a network needs at least one hub');

  const issuer =
    settings.oidc === undefined
      ? started.use(
          await startOidcIssuer({ ...(options.issuerPort && { port: options.issuerPort }) }),
        )
      : undefined;
  const config: Config = {
    ...settings,
    databaseUrl,
    natsUrls: hubs.map(({ clientUrl }) => clientUrl),
    leafUrls:
      options.publicHost === undefined
        ? hubs.map(({ leafUrl }) => leafUrl)
        : [leafUrlOf({ host: options.publicHost, ports: hub.ports })],
    ...(issuer && {
      oidc: { issuer: issuer.url, audience: issuer.audience, algorithms: ['ES256'] },
    }),
    // The only user of a local network needs no limits, except those that the environment sets.
    ...(limitsAreSet(env) ? {} : { accountLimits: {} }),
    // No proxy is in front of a local network, unless the environment sets this time.
    ...(isSet('DINF_DRAIN_NOTICE_MS', env) ? {} : { drainNoticeMs: 0 }),
    ...options.config,
  };
  say('database schema');
  await allEnded(
    // No other version can use a Postgres that this process has started.
    migrate(databaseUrl, postgres && { beforeContract: async () => undefined }),
    prepareStreams(config, log),
  );
  say('coordinator');
  const coordinator = started.use(
    await startCoordinator({
      config,
      log,
      ...(options.components && { components: options.components }),
    }),
  );
  const { bus, httpUrl } = coordinator;
  if (httpUrl === undefined)
    throw new Error('the coordinator started without the ingress, so it has no API');
  const children = Object.entries({ 'the hub': hub, Postgres: postgres }).flatMap(
    ([name, child]) => (isChild(child) ? [{ name, child }] : []),
  );
  const ownIssuer = (): OidcIssuer => {
    if (issuer === undefined)
      throw new Error(
        'this network uses the sign-in service of DINF_OIDC_ISSUER, so it cannot sign people in itself',
      );
    return issuer;
  };
  const owned = started.move();
  return {
    url: httpUrl,
    home,
    natsServer,
    hub,
    localLeafUrl: tls ? leafUrlOf({ host: '127.0.0.1', ports: hub.ports }) : hub.leafUrl,
    hubs,
    postgres,
    databaseUrl,
    children,
    config,
    coordinator,
    issuer,
    personOf: (name) => personOf(bus, ownIssuer(), name),
    signIn: async (name) => {
      const token = await ownIssuer().signIn({ subject: name, email: emailOf(name) });
      return { token, ...(await personOf(bus, ownIssuer(), name)) };
    },
    createKey: async (options) => createKey(bus, options),
    enrolToken: async () =>
      (await bus.call(services.trust.createToken, { lifetimeMs: TOKEN_LIFETIME_MS }, CALL)).token,
    putModels: async (models, aliases = []) => {
      for (const model of models)
        await bus.call(
          services.catalog.putModel,
          { model: { ...model, createdAt: Date.now() } },
          CALL,
        );
      for (const alias of aliases) await bus.call(services.catalog.putAlias, alias, CALL);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Returns whether the node is a child process. Containers are not: they have no `exited`. */
const isChild = (node: object | undefined): node is Restartable =>
  node !== undefined && 'exited' in node;

function limitsAreSet(env: NodeJS.ProcessEnv): boolean {
  const names = ['DINF_ACCOUNT_RPM', 'DINF_ACCOUNT_ITPM', 'DINF_ACCOUNT_OTPM'] as const;
  return names.some((name) => isSet(name, env));
}

async function temporaryHome(started: AsyncDisposableStack): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'dinf-'));
  started.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  return home;
}

/** A certificate with which the hub proves its public name, and loopback to leaves on this machine. */
async function hubTls(
  publicHost: string,
  { home, keysFolder }: { home: string; keysFolder: string },
): Promise<HubTls> {
  const { prepareAuthority, prepareHubCertificate } = await import(
    '#coordinator/founding/hub-certificates.ts'
  );
  const now = Date.now();
  return prepareHubCertificate({
    authority: await prepareAuthority(keysFolder, now),
    folder: join(home, 'hub', 'tls'),
    names: [publicHost],
    now,
  });
}

const localHubStarter =
  ({ natsServer, home }: { natsServer: string; home: string }) =>
  (options: NatsNodeOptions): Promise<NatsNode> =>
    startNatsServer({ ...options, binary: natsServer, home: join(home, 'hub'), name: 'hub' });

async function prepareStreams(config: Config, log: Logger): Promise<void> {
  const connection = await connectToHub({
    ...config,
    credentialsFile: config.coreCredentials,
    name: 'migrate',
    log,
  });
  try {
    await ensureStreams(new Bus(connection), await wantedReplicas(config));
  } catch (cause) {
    throw cause instanceof StreamStorageError
      ? new LaunchError('no_stream_storage', await explainStorage(cause, config), { cause })
      : cause;
  } finally {
    await connection.close();
  }
}

const emailOf = (name: string): string => `${name}@localhost`;

const personOf = (bus: Bus, { url }: OidcIssuer, name: string): Promise<SignedIn> =>
  bus.call(services.accounts.signIn, { issuer: url, subject: name, email: emailOf(name) }, CALL);

async function createKey(
  bus: Bus,
  {
    name,
    creditMicroUsd,
    account: owner,
  }: { name: string; creditMicroUsd: number; account?: string },
): Promise<{ account: string; key: string; apiKey: string }> {
  const account =
    owner ?? (await bus.call(services.accounts.createAccount, { name }, CALL)).account;
  const { text, hash, hint } = makeApiKey();
  const created = await bus.call(
    services.accounts.createKey,
    { account, name, keyHash: hash, hint },
    CALL,
  );
  if (!created.ok) throw new Error(`the API key was not created: ${created.code}`);
  if (creditMicroUsd > 0)
    await bus.call(
      services.settlement.credit,
      { account, amountMicroUsd: creditMicroUsd, operation: `first:${account}` },
      CALL,
    );
  return { account, key: created.key, apiKey: text };
}
