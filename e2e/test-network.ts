import { Writable } from 'node:stream';
import OpenAI, { type ClientOptions } from 'openai';
import { Pool } from 'pg';
import { type Logger, pino } from 'pino';
import { expect, vi } from 'vitest';
import { CodecError, type ComponentName, services, type Trait, Violation } from '#bus-schemas';
import {
  type Config,
  type Coordinator,
  componentNames,
  connectDatabase,
  startCoordinator,
} from '#coordinator';
import { type Network, type RouteUrl, startNetwork } from '#network';
import {
  type Fault,
  type SimulatedFleet,
  type SimulatedProvider,
  simulatedAliases,
  simulatedAnswer,
  simulatedBuilds,
  simulatedModels,
  startFleet,
} from '#simulator';
import { chooseRuntime, nodeStarters } from '#testcontainers';

export interface TestNetworkOptions {
  readonly providers: number;
  readonly tokenMs: number;
  readonly firstTokenMs?: number;
  readonly maxConcurrency?: number;
  readonly contextTokens?: number;
  readonly maxOutputTokens?: number;
  /** Whether each answer goes on until `max_tokens`, which is the default. */
  readonly endless?: boolean;
  readonly leaves?: 'own' | 'shared';
  /** Hubs of a cluster; one hub alone when left out. */
  readonly clusterOf?: number;
  /** Addresses of the routes between the hubs of a cluster. */
  readonly routeUrl?: RouteUrl;
  /** Models begin on disk, and are loaded into memory at the first request for them. */
  readonly startsCold?: boolean;
  /** An existing Postgres, possibly of several hosts; one is started when left out. */
  readonly databaseUrl?: string;
  readonly config?: Partial<Config>;
  readonly faults?: Readonly<Record<number, Fault>>;
  /** Components that each run on their own connection, as in separate processes. */
  readonly apart?: readonly ComponentName[];
  /** Models with these traits are left out, because another version beside this one does not know them. */
  readonly withoutTraits?: readonly Trait[];
}

export interface Charge {
  readonly job: string;
  readonly outcome: 'held' | 'settled' | 'refunded' | 'void';
  readonly heldMicroUsd: number;
  readonly chargedMicroUsd: number;
  readonly completionTokens: number;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: every test asserts the shape that it expects
  readonly json: any;
}

export interface Person {
  readonly token: string;
  readonly account: string;
  readonly user: string;
  ask(method: string, path: string, body?: unknown): Promise<ApiResponse>;
}

const CREDIT_MICRO_USD = 1_000_000_000;
const CALL = { timeoutMs: 10_000 };

interface Message {
  readonly role: string;
  readonly content: string | { readonly type: string; readonly text: string }[];
}

/**
 * The text that the simulated engine generates; in test networks it always goes on until
 * max_tokens.
 */
export function expectedText(messages: readonly Message[], maxTokens: number): string {
  return simulatedAnswer({ messages: [...messages], max_tokens: maxTokens }, { endless: true })
    .text;
}

/** Components that each have their own bus connection and database pool. */
class SeparateComponents implements AsyncDisposable {
  readonly #network: Network;
  readonly #log: Logger;
  readonly #running = new Map<ComponentName, Coordinator>();

  constructor(network: Network, log: Logger) {
    this.#network = network;
    this.#log = log;
  }

  async start(component: ComponentName): Promise<Coordinator> {
    const config = { ...this.#network.config, http: { host: '127.0.0.1', port: 0 } };
    const coordinator = await startCoordinator({ config, components: [component], log: this.#log });
    this.#running.set(component, coordinator);
    return coordinator;
  }

  async stop(component: ComponentName): Promise<void> {
    await this.#running.get(component)?.[Symbol.asyncDispose]();
    this.#running.delete(component);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const component of [...this.#running.keys()]) await this.stop(component);
  }
}

/** A whole network with simulated providers, and methods with which a test inspects it. */
export class TestNetwork implements AsyncDisposable {
  readonly network: Network;
  readonly apart: SeparateComponents;
  readonly fleet: SimulatedFleet;
  readonly apiKey: string;
  readonly account: string;
  readonly log: Logger;
  readonly #database: Pool;
  readonly #logLines: string[];
  readonly #owned: AsyncDisposable;

  constructor(parts: {
    network: Network;
    apart: SeparateComponents;
    fleet: SimulatedFleet;
    apiKey: string;
    account: string;
    database: Pool;
    log: Logger;
    logLines: string[];
    /** All resources of the network, which end with it. */
    owned: AsyncDisposable;
  }) {
    this.network = parts.network;
    this.apart = parts.apart;
    this.fleet = parts.fleet;
    this.apiKey = parts.apiKey;
    this.account = parts.account;
    this.#database = parts.database;
    this.log = parts.log;
    this.#logLines = parts.logLines;
    this.#owned = parts.owned;
  }

  get url(): string {
    return this.network.url;
  }

  get hub() {
    return this.network.hub;
  }

  get providers(): readonly SimulatedProvider[] {
    return this.fleet.providers;
  }

  openai(options: ClientOptions = {}): OpenAI {
    return new OpenAI({
      baseURL: `${this.url}/v1`,
      apiKey: this.apiKey,
      maxRetries: 0,
      ...options,
    });
  }

  createKey(options: {
    creditMicroUsd: number;
    account?: string;
  }): Promise<{ apiKey: string; account: string; key: string }> {
    return this.network.createKey({ name: 'another', ...options });
  }

  /** Signs in a person with a new account, for routes that API keys cannot use. */
  async person(name: string): Promise<Person> {
    const { token, account, user } = await this.network.signIn(name);
    return {
      token,
      account,
      user,
      ask: (method, path, body) => this.ask(method, path, { token, body }),
    };
  }

  async credit(account: string, amountMicroUsd: number): Promise<void> {
    await this.network.coordinator.bus.call(
      services.settlement.credit,
      { account, amountMicroUsd, operation: `test:${account}:${Math.random()}` },
      CALL,
    );
  }

  /** Starts a second ingress with its own connection and state, as in another process. */
  async secondIngress(): Promise<{ url: string } & AsyncDisposable> {
    const config = { ...this.network.config, http: { host: '127.0.0.1', port: 0 } };
    const coordinator = await startCoordinator({ config, components: ['ingress'], log: this.log });
    return {
      url: coordinator.httpUrl ?? '',
      [Symbol.asyncDispose]: () => coordinator[Symbol.asyncDispose](),
    };
  }

  /** Sends a request to any route. A body that is neither a text nor a form is sent as JSON. */
  async ask(
    method: string,
    path: string,
    {
      token,
      body,
      headers = {},
    }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<ApiResponse> {
    const isForm = body instanceof FormData;
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && {
        body: typeof body === 'string' || isForm ? body : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('application/json') === true;
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** Stores a file; the answer has its id. */
  uploadFile(content: string, token = this.apiKey): Promise<ApiResponse> {
    const body = new FormData();
    body.set('purpose', 'batch');
    body.set('file', new File([content], 'requests.jsonl'));
    return this.ask('POST', '/v1/files', { token, body });
  }

  /** Waits until a provider's engine runs a sequence, and returns this provider. */
  servingProvider(): Promise<SimulatedProvider> {
    return vi.waitFor(
      () => {
        const serving = this.providers.find(({ engine }) => engine.running > 0);
        if (serving === undefined) throw new Error('no provider runs a sequence');
        return serving;
      },
      { interval: 5, timeout: 5_000 },
    );
  }

  /** Number of slots that routing has reserved for jobs that providers have not reported yet. */
  async promisedSlots(): Promise<number> {
    const { providers } = await this.network.coordinator.bus.call(services.routing.fleet, {}, CALL);
    return providers.reduce((sum, { pending }) => sum + pending, 0);
  }

  runningSequences(): number {
    return this.providers.reduce((sum, { engine }) => sum + engine.running, 0);
  }

  tokensMade(): number {
    return this.providers.reduce((sum, { engine }) => sum + engine.tokensMade, 0);
  }

  sendAsProvider(index: number, kind: string, payload: Uint8Array): void {
    const { connection } = this.providers[index] as SimulatedProvider;
    connection.publish(
      kind === 'frames' ? 'up.out.in_000000000000.job_0000000000000000000000' : `up.${kind}`,
      payload,
    );
  }

  /** Waits until every job has ended, and returns all charges. */
  async charges(): Promise<Charge[]> {
    await this.expectMoneyBalances();
    return this.chargesNow();
  }

  async chargesNow(): Promise<Charge[]> {
    const { rows } = await this.#database.query<Charge & Record<string, string>>(
      `SELECT job, outcome, held AS "heldMicroUsd", charged AS "chargedMicroUsd", completion_tokens AS "completionTokens", held_at FROM charges
       UNION ALL SELECT job, 'held', held, 0, 0, held_at FROM holds ORDER BY held_at`,
    );
    return rows.map((row) => ({
      ...row,
      heldMicroUsd: Number(row.heldMicroUsd),
      chargedMicroUsd: Number(row.chargedMicroUsd),
      completionTokens: Number(row.completionTokens),
    }));
  }

  /** Returns the violations in the stream TELEMETRY; messages of other kinds are skipped. */
  async violations(): Promise<{ provider: string; violation: string }[]> {
    const manager = await this.network.coordinator.bus.manager();
    const { state } = await manager.streams.info('TELEMETRY');
    const sequences = Array.from(
      { length: state.messages === 0 ? 0 : state.last_seq - state.first_seq + 1 },
      (_, index) => state.first_seq + index,
    );
    const messages = await Promise.all(
      sequences.map((seq) => manager.streams.getMessage('TELEMETRY', { seq })),
    );
    return messages.flatMap((message) => (message === null ? [] : readViolation(message.data)));
  }

  /**
   * Returns the hexadecimal digests of the requests that any account sent with this
   * Idempotency-Key.
   */
  async claimedDigests(idempotencyKey: string): Promise<string[]> {
    const { rows } = await this.#database.query<{ digest: string }>(
      "SELECT encode(digest, 'hex') AS digest FROM claimed_requests WHERE idempotency_key = sha256($1::bytea)",
      [Buffer.from(idempotencyKey)],
    );
    return rows.map(({ digest }) => digest);
  }

  /** Whether any row of any table contains the text, as text or as bytes. */
  async databaseHolds(content: string | Buffer): Promise<boolean> {
    const bytes = Buffer.from(content).toString('hex');
    const text = typeof content === 'string' ? content : bytes;
    const { rows: tables } = await this.#database.query<{ name: string }>(
      "SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    );
    for (const { name } of tables) {
      const { rows } = await this.#database.query(
        `SELECT 1 FROM ${name} AS t WHERE t::text LIKE $1 OR t::text LIKE $2 LIMIT 1`,
        [`%${text}%`, `%${bytes}%`],
      );
      if (rows.length > 0) return true;
    }
    return false;
  }

  logs(): string {
    return this.#logLines.join('');
  }

  /**
   * Waits until every hold has ended. Then checks that all balances are the sums of their entries
   * and that each job was settled or refunded once.
   */
  async expectMoneyBalances(): Promise<void> {
    const { bus } = this.network.coordinator;
    const verify = () => bus.call(services.settlement.verify, {}, CALL);
    const books = {
      ok: true,
      unbalancedTransactions: 0,
      driftedBalances: 0,
      negativeBalances: 0,
      openHolds: 0,
      overdueHolds: 0,
      doubleEnded: 0,
    };
    // A hold that was granted too late for its request is open for a moment.
    await vi.waitFor(async () => expect(await verify()).toMatchObject(books), {
      interval: 50,
      timeout: 15_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}

export async function startTestNetwork(options: TestNetworkOptions): Promise<TestNetwork> {
  const logLines: string[] = [];
  const log = pino(
    { level: 'debug' },
    new Writable({ write: (chunk, _encoding, done) => done(void logLines.push(String(chunk))) }),
  );
  const {
    http = { host: '127.0.0.1', port: 0 },
    receiptGraceMs = 3_000,
    ...config
  } = options.config ?? {};
  const { contextTokens, maxOutputTokens, apart: alone = [] } = options;
  const components = componentNames.filter((name) => !alone.includes(name));
  const cluster = {
    ...(options.clusterOf !== undefined && { clusterOf: options.clusterOf }),
    ...(options.routeUrl && { routeUrl: options.routeUrl }),
  };
  await using stack = new AsyncDisposableStack();
  const network = stack.use(
    await startNetwork({
      log,
      ...nodeStarters(await chooseRuntime()),
      config: { http, receiptGraceMs, ...config },
      components,
      ...cluster,
      ...(options.databaseUrl !== undefined && { databaseUrl: options.databaseUrl }),
    }),
  );
  const apart = stack.use(new SeparateComponents(network, log));
  for (const name of alone) await apart.start(name);
  const isKnown = ({ traits = [] }: { readonly traits?: readonly Trait[] }): boolean =>
    !traits.some((trait) => options.withoutTraits?.includes(trait));
  await network.putModels(
    simulatedModels.filter(isKnown).map((model) => ({
      ...model,
      ...(contextTokens && { contextTokens }),
      ...(maxOutputTokens && { maxOutputTokens }),
    })),
    simulatedAliases,
  );
  // The owner reads every table; only the coordinator's own pool can connect to several hosts.
  const database =
    options.databaseUrl === undefined
      ? new Pool({ connectionString: network.databaseUrl, max: 2 })
      : connectDatabase(network.databaseUrl, { max: 2 });
  database.on('error', () => undefined);
  stack.defer(() => database.end());
  const fleet = stack.use(
    await startFleet({
      coordinatorUrl: network.url,
      token: network.enrolToken,
      count: options.providers,
      natsServer: network.natsServer,
      home: `${network.home}/fleet`,
      leaves: options.leaves ?? 'own',
      log,
      profile: () => ({
        chip: 'm3-ultra',
        endless: options.endless ?? true,
        tokenMs: options.tokenMs,
        ...(options.firstTokenMs !== undefined && { firstTokenMs: options.firstTokenMs }),
        ...(options.startsCold && { startsCold: true }),
        ...(options.maxConcurrency !== undefined && { maxConcurrency: options.maxConcurrency }),
        builds: simulatedBuilds.filter(isKnown).map((build) => ({
          ...build,
          ...(contextTokens && { contextTokens, kvBytesPerToken: 1 }),
        })),
      }),
      ...(options.faults && { faults: options.faults }),
    }),
  );
  const { apiKey, account } = await network.createKey({
    name: 'test',
    creditMicroUsd: CREDIT_MICRO_USD,
  });
  await allProvidersKnown(network, options.providers);
  return new TestNetwork({
    network,
    apart,
    fleet,
    apiKey,
    account,
    database,
    log,
    logLines,
    owned: stack.move(),
  });
}

async function allProvidersKnown(network: Network, count: number): Promise<void> {
  const known = async () =>
    new Set(
      (await network.coordinator.bus.call(services.routing.fleet, {}, CALL)).providers.map(
        ({ provider }) => provider,
      ),
    ).size;
  await vi.waitFor(async () => expect(await known()).toBe(count), {
    interval: 20,
    timeout: 15_000,
  });
}

function readViolation(data: Uint8Array): { provider: string; violation: string }[] {
  try {
    const { provider, violation } = Violation.decode(data);
    return [{ provider, violation }];
  } catch (error) {
    if (error instanceof CodecError) return [];
    throw error;
  }
}
