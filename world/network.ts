import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import { type ComponentName, connectToServer, services } from '#bus-schemas';
import {
  Bus,
  type Config,
  type Coordinator,
  connectToHub,
  ensureStreams,
  makeApiKey,
  migrate,
  prepareOperatorHome,
  readConfig,
  startCoordinator,
} from '#coordinator';
import { type Agent, type Enrolment, enrolment, ownIdentity, startAgent } from '#provider';
import { createSimulatedEngine, simulatedBuilds, simulatedModels } from '#simulator';
import { BusWatch } from './bus-watch.ts';
import { POSTGRES_PORT, VirtualPostgres } from './database/virtual-postgres.ts';
import { leafOf } from './faults.ts';
import { folderInMemory } from './folder-in-memory.ts';
import { trickyConnection, trickyEngine } from './hostile-machine.ts';
import { HUB_PORT, SimulatedHub } from './hub/hub.ts';
import { LEAF_PORT, SimulatedLeaf } from './hub/leaf.ts';
import { runOn } from './virtual/host.ts';
import type { World } from './world.ts';

const HUB_ADDRESS = '10.0.0.2';
const POSTGRES_ADDRESS = '10.0.0.3';
const DATABASE_URL = `postgres://postgres:world@${POSTGRES_ADDRESS}:${POSTGRES_PORT}/postgres`;
export const INGRESS_PORT = 8080;
const COMPONENTS: readonly ComponentName[] = [
  'accounts',
  'catalog',
  'settlement',
  'telemetry',
  'trust',
  'routing',
  'ingress',
];
/** Parts that run twice, so that one can take over from the other. */
const TWICE: ReadonlySet<ComponentName> = new Set(['routing', 'ingress']);
const MACHINES = 4;
export const MODEL = 'sim-llama-8b';
/** Slow enough that a fault meets answers which have begun. */
const TOKEN_MS = 50;
/** Time limit of a request, and with a reserve of the money that is set aside for it. */
export const JOB_MS = 60_000;
const CALL = { timeoutMs: 10_000 };
const START_LIMIT_MS = 120_000;
/** Pause of a supervisor before it starts a process again that has ended, in milliseconds. */
const START_PAUSE_MS = 1_000;
/** Pause before a removal that failed is tried again, in milliseconds. */
const REMOVE_AGAIN_MS = 500;
/** Figures of processes that are 0 when no job runs. */
const FIGURES_OF_JOBS = [
  'dinf_ingress_jobs_running',
  'dinf_routing_queue',
  'dinf_routing_reservations',
  'dinf_facts_waiting',
  'dinf_postgres_waiting',
];
/** No message takes longer, in milliseconds. */
const LAST_NEWS_MS = 1_000;

/** One process of the coordinator, with what starts it again. */
export interface Process {
  readonly name: string;
  readonly component: ComponentName;
  readonly address: string;
}

export interface WorldMachine {
  readonly name: string;
  readonly address: string;
  readonly home: string;
  readonly enrolment: Enrolment;
  /** The time of the world at which trust answered that this machine is removed. */
  removedAt?: number;
  /** Number of answers that its engine has begun. */
  runs: number;
}

function startPostgres(world: World): void {
  const { time, fate: random, database } = world;
  VirtualPostgres.start(world.host('postgres', POSTGRES_ADDRESS), { database, time, random });
}

/** Applies all migrations to the empty database of a world. */
export async function migrateWorld(world: World): Promise<void> {
  startPostgres(world);
  const done = migrate(DATABASE_URL, { beforeContract: async () => undefined });
  await world.time.runWhile(done, START_LIMIT_MS);
}

const NO_SERVER = new Set(['ECONNREFUSED', 'ECONNRESET']);
/** What the clients of Postgres and of NATS say when a server does not answer. */
const NO_ANSWER = /^(Connection terminated|connection disconnected|timeout)/;

/** Whether a process could not start because Postgres or the hub cannot be reached. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof Error &&
  (('code' in error && NO_SERVER.has(String(error.code))) || NO_ANSWER.test(error.message));

/** A whole network in a world: hub, database, each component in a process of its own, machines. */
export class WorldNetwork implements AsyncDisposable {
  readonly #world: World;
  readonly #home: string;
  readonly #config: Config;
  readonly processes: readonly Process[];
  readonly machines: WorldMachine[] = [];
  readonly watch = new BusWatch();
  /** The time of the world at which accounts answered that the key is removed, by key. */
  readonly removedKeys = new Map<string, number>();
  readonly #running = new Map<string, Coordinator>();
  readonly #agents = new Map<string, Agent>();
  readonly #keys = new Map<string, string>();
  #bus: Bus | undefined;

  private constructor(world: World, home: string, config: Config) {
    this.#world = world;
    this.#home = home;
    this.#config = config;
    this.processes = COMPONENTS.flatMap((component, index) =>
      (TWICE.has(component) ? [1, 2] : [1]).map((copy) => ({
        name: TWICE.has(component) ? `${component}-${copy}` : component,
        component,
        address: `10.0.1.${index * 2 + copy}`,
      })),
    );
  }

  static async start(world: World): Promise<WorldNetwork> {
    const home = await mkdtemp(join(folderInMemory(), 'dinf-world-'));
    const config: Config = {
      ...readConfig({ DINF_HOME: home }),
      databaseUrl: DATABASE_URL,
      natsUrls: [`nats://${HUB_ADDRESS}:${HUB_PORT}`],
      leafUrls: [`nats://${HUB_ADDRESS}:${HUB_PORT}`],
      accountLimits: {},
      drainNoticeMs: 0,
      jobTimeoutMs: JOB_MS,
      admin: undefined,
    };
    const network = new WorldNetwork(world, home, config);
    await world.time.runWhile(network.#start(), START_LIMIT_MS);
    return network;
  }

  async #start(): Promise<void> {
    const { keys } = await prepareOperatorHome(this.#config.keysFolder);
    const { hubAccounts } = this.#world;
    hubAccounts.set(keys.core.getPublicKey(), 'core');
    hubAccounts.set(keys.ops.getPublicKey(), 'ops');
    hubAccounts.set(keys.system.getPublicKey(), 'system');
    this.startHub();
    this.startPostgres();
    const connection = await connectToHub({
      ...this.#config,
      credentialsFile: this.#config.coreCredentials,
      name: 'world',
      log: this.#logOf('world'),
    });
    this.#bus = new Bus(connection);
    await ensureStreams(this.#bus);
    for (const process of this.processes) await this.startProcess(process);
    await this.#addModels();
    for (let index = 0; index < MACHINES; index += 1) {
      const machine = await this.#enrol(index);
      this.machines.push(machine);
      this.startLeaf(machine);
      await this.startMachine(machine);
    }
  }

  get bus(): Bus {
    if (this.#bus === undefined) throw new Error('the network has not started');
    return this.#bus;
  }

  get ingresses(): readonly string[] {
    return this.processes
      .filter(({ component }) => component === 'ingress')
      .map(({ address }) => address);
  }

  startHub(): void {
    const { time, fate, hubDisk, hubAccounts } = this.#world;
    SimulatedHub.start({
      host: this.#world.host('hub', HUB_ADDRESS),
      time,
      random: fate,
      disk: hubDisk,
      accounts: hubAccounts,
      onMessage: (account, message) => {
        this.#world.note(`${account} ${message.subject} ${message.payload.length}`);
        this.watch.see(account, message, this.#world.time.now);
      },
    });
  }

  startPostgres(): void {
    startPostgres(this.#world);
  }

  async startProcess({ name, component, address }: Process): Promise<void> {
    const host = this.#world.host(name, address);
    await runOn(host, async () => {
      const coordinator = await startCoordinator({
        config: { ...this.#config, http: { host: address, port: INGRESS_PORT } },
        components: [component],
        log: this.#logOf(name),
      });
      this.#running.set(name, coordinator);
    });
  }

  async #addModels(): Promise<void> {
    const models = simulatedModels.filter(({ id }) => id === MODEL);
    for (const model of models)
      await this.bus.call(
        services.catalog.putModel,
        { model: { ...model, createdAt: Date.now() } },
        CALL,
      );
  }

  async #enrol(index: number): Promise<WorldMachine> {
    const name = `machine-${index + 1}`;
    const home = join(this.#home, name);
    const made = await enrolment({
      home,
      coordinatorUrl: `http://${this.ingresses[0]}:${INGRESS_PORT}`,
      token: {
        source: 'operator',
        isDemanded: false,
        get: async () =>
          (await this.bus.call(services.trust.createToken, { lifetimeMs: 3_600_000 }, CALL)).token,
      },
      name,
    });
    return { name, address: `10.0.2.${index + 1}`, home, enrolment: made, runs: 0 };
  }

  startLeaf({ name, address, enrolment: { provider } }: WorldMachine): void {
    const { time, fate: random } = this.#world;
    const host = this.#world.host(leafOf(name), address);
    SimulatedLeaf.start(host, provider, { hub: HUB_ADDRESS, time, random });
  }

  async startMachine(machine: WorldMachine): Promise<void> {
    const { name, address, home, enrolment: own } = machine;
    const host = this.#world.host(name, address);
    await runOn(host, async () => {
      const connection = await connectToServer({
        servers: `nats://${address}:${LEAF_PORT}`,
        name: 'agent',
        maxReconnectAttempts: -1,
        waitOnFirstConnect: true,
      });
      const engine = createSimulatedEngine({
        chip: 'm4-max',
        builds: simulatedBuilds.filter(({ build }) => build.startsWith('sim-llama')),
        tokenMs: TOKEN_MS,
        maxConcurrency: 8,
        endless: true,
      });
      const agent = await startAgent({
        connection: trickyConnection(connection, host),
        engine: trickyEngine(engine, host, () => {
          machine.runs += 1;
        }),
        identity: await ownIdentity(home, own.provider),
        receiptsFile: join(home, 'receipts.json'),
        log: this.#logOf(name),
      });
      this.#agents.set(name, agent);
    });
  }

  /** What processes and machines still have of jobs, as their figures show it. */
  async leftOfJobs(): Promise<string[]> {
    const left: string[] = [];
    for (const [process, { metrics }] of this.#running)
      for (const figure of FIGURES_OF_JOBS) {
        const { values = [] } = (await metrics.getSingleMetric(figure)?.get()) ?? {};
        for (const { value } of values) if (value > 0) left.push(`${process}: ${figure} ${value}`);
      }
    for (const [name, { running, receiptsWaiting }] of this.#agents)
      if (!this.#isRemoved(name) && running + receiptsWaiting > 0)
        left.push(`${name}: ${running} jobs and ${receiptsWaiting} receipts`);
    return left;
  }

  #isRemoved(name: string): boolean {
    return this.machines.some((one) => one.name === name && one.removedAt !== undefined);
  }

  /** Starts a killed process again, as its supervisor does. */
  restart(name: string): void {
    this.#world.tell(name, 'is started again');
    this.#startAgain(name).catch((error: unknown) => this.#startFailed(name, error));
  }

  /** A process that cannot reach what it needs at its start ends, and is started once more. */
  #startFailed(name: string, error: unknown): void {
    const host = this.#world.hostOf(name);
    // It was killed while it started, and is started again for that reason.
    if (host?.isAlive !== true) return;
    if (isUnreachable(error)) this.#world.tell(name, `cannot start: ${(error as Error).message}`);
    else this.#world.crashed(host, error);
    host.kill();
    this.#world.time.plan(START_PAUSE_MS, () => this.restart(name), undefined);
  }

  async #startAgain(name: string): Promise<void> {
    if (name === 'hub') return this.startHub();
    if (name === 'postgres') return this.startPostgres();
    const process = this.processes.find((one) => one.name === name);
    if (process !== undefined) return this.startProcess(process);
    for (const machine of this.machines) {
      if (machine.name === name) await this.startMachine(machine);
      if (leafOf(machine.name) === name) this.startLeaf(machine);
    }
  }

  /** Removes a machine from the network, as an operator does, and tries again until it is done. */
  removeMachine(name: string): void {
    const machine = this.machines.find((one) => one.name === name);
    if (machine === undefined) return;
    const { provider } = machine.enrolment;
    this.#untilDone(
      () => this.bus.call(services.trust.revoke, { provider }, CALL),
      () => {
        machine.removedAt ??= this.#world.time.now;
        this.#world.tell(name, 'is removed');
      },
    );
  }

  /** Removes the key of a customer, and tries again until it is done. */
  removeKey(customer: string): void {
    const key = this.#keys.get(customer);
    if (key === undefined) return;
    this.#untilDone(
      () => this.bus.call(services.accounts.revokeKey, { key }, CALL),
      () => {
        this.removedKeys.set(customer, this.#world.time.now);
        this.#world.tell(customer, 'has no key any more');
      },
    );
  }

  #untilDone(work: () => Promise<unknown>, done: () => void): void {
    work().then(done, () =>
      this.#world.time.plan(REMOVE_AGAIN_MS, () => this.#untilDone(work, done), undefined),
    );
  }

  /** A customer with an account, credit and a key. */
  async customer(
    name: string,
    creditMicroUsd: number,
  ): Promise<{ apiKey: string; account: string }> {
    const { account } = await this.bus.call(services.accounts.createAccount, { name }, CALL);
    const { text: apiKey, hash: keyHash, hint } = makeApiKey();
    const made = await this.bus.call(
      services.accounts.createKey,
      { account, name, keyHash, hint },
      CALL,
    );
    if (!made.ok) throw new Error(`the key of ${name} was not created: ${made.code}`);
    this.#keys.set(name, made.key);
    await this.bus.call(
      services.settlement.credit,
      { account, amountMicroUsd: creditMicroUsd, operation: `first:${account}` },
      CALL,
    );
    return { apiKey, account };
  }

  #logOf(name: string): Logger {
    const lines = new Writable({
      write: (line: Buffer, _encoding, done) => {
        const { level, msg, err } = JSON.parse(line.toString('utf8'));
        if (level >= 40) this.#world.tell(name, `${msg}${err ? `: ${err.message}` : ''}`);
        done();
      },
    });
    return pino({ level: 'info', base: null }, lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#world.end();
    // Node keeps the connections with which machines were enrolled, until it learns of their end.
    await this.#world.time.runUntil(this.#world.time.now + LAST_NEWS_MS);
    await rm(this.#home, { recursive: true, force: true });
  }
}
