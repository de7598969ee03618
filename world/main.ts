/**
 * A process in which worlds live, one after the other. Its parent sends tasks and receives results.
 */
import { writeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { installCompileOnce } from './compile-once.ts';
import { DatabaseSnapshot } from './database/database-snapshot.ts';
import type { WorldFault } from './faults.ts';
import type { Life } from './life.ts';
import { installNativeSignatures } from './native-signatures.ts';
import { watchSeals } from './seal-watch.ts';
import { installNetwork } from './virtual/install-network.ts';
import { installTime } from './virtual/install-time.ts';
import { installRealWork } from './virtual/real-work.ts';
import { installRandomness } from './virtual/seeded-numbers.ts';
import { type Story, World } from './world.ts';

/** What a process is for; the first message that it receives. */
export type WorldOrder =
  /** Makes the database with all migrations, which is then copied for each life. */
  { readonly make: 'template'; readonly template: string } | LivesOrder;

interface LivesOrder {
  readonly make: 'lives';
  readonly template: string;
  /** The name of a change that breaks the program. */
  readonly mutation?: string;
}

export interface LifeTask {
  readonly seed: number;
  /** Replaces the faults that follow from the seed. */
  readonly faults?: readonly WorldFault[];
  /** Whether the story is sent line by line. */
  readonly tells: boolean;
}

export type Told =
  | { readonly k: 'line'; readonly line: string }
  | { readonly k: 'made' }
  | { readonly k: 'lived'; readonly life: Life };

/** Postgres reserves 128 MB for its pages otherwise, of which each life would restore all. */
const FEW_BUFFERS = ['-c', 'shared_buffers=16MB', '-c', 'wal_buffers=256kB'];

/**
 * The tables of a life are small, so a statement is planned once and not for each set of values. Planning took an
 * eighth of the time of the database.
 */
const FEW_PLANS = ['-c', 'plan_cache_mode=force_generic_plan'];

const tell = (told: Told): Promise<void> =>
  new Promise((resolve) => void process.send?.(told, undefined, undefined, () => resolve()));

const failed = (error: unknown): void => {
  writeSync(process.stderr.fd, `${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
};

type Live = (task: LifeTask) => Promise<Life>;

/** Becomes the function that lives one life, once everything is loaded. */
let live: Promise<Live> | undefined;

process.on('message', (message: WorldOrder | LifeTask) => {
  const work = 'make' in message ? obey(message) : perform(message);
  work.catch(failed);
});
process.on('disconnect', () => process.exit(0));

async function obey(order: WorldOrder): Promise<void> {
  if (order.make === 'lives') live = prepareLives(order);
  else await makeTemplate(order.template);
}

async function perform(task: LifeTask): Promise<void> {
  const lived = await (await live)?.(task);
  if (lived !== undefined) await tell({ k: 'lived', life: lived });
}

async function makeTemplate(template: string): Promise<void> {
  const database = await PGlite.create({ startParams: startParams() });
  const world = new World({ seed: 0, database, story: () => undefined });
  install(() => world);
  const { migrateWorld } = await import('./network.ts');
  await migrateWorld(world);
  const files = await database.dumpDataDir('none');
  await writeFile(template, Buffer.from(await files.arrayBuffer()));
  await tell({ k: 'made' });
  process.exit(0);
}

async function prepareLives({ template, mutation }: LivesOrder): Promise<Live> {
  const database = await PGlite.create({
    loadDataDir: new Blob([await readFile(template)]),
    startParams: startParams(),
  });
  const snapshot = await DatabaseSnapshot.take(database);
  if (mutation !== undefined) await mutate(mutation);
  let world = new World({ seed: 0, database, story: () => undefined });
  install(() => world);
  installNativeSignatures();
  installCompileOnce();
  const { live } = await import('./life.ts');
  const { rehearse } = await import('./rehearsal.ts');
  const { decodeWithoutChance, forgetEarlierLives } = await import('./module-state.ts');
  decodeWithoutChance();
  const forgetSeals = await watchSeals((text) => world.repeatedSeals.push(text));
  await rehearse(world);
  return ({ seed, faults, tells }) => {
    snapshot.restore();
    world = new World({ seed, database, story: tells ? tellLine : () => undefined });
    forgetEarlierLives();
    forgetSeals();
    return live(world, faults);
  };
}

const startParams = (): string[] => [...PGlite.defaultStartParams, ...FEW_BUFFERS, ...FEW_PLANS];

/** Replaces what is outside of the program by the present world. */
function install(world: () => World): void {
  installRealWork();
  installRandomness(() => world().chance);
  installTime(() => world().time);
  installNetwork(world);
  process.on('unhandledRejection', (error) => world().crashed(undefined, error));
  process.on('uncaughtException', (error) => world().crashed(undefined, error));
}

const tellLine: Story = (at, who, text) =>
  void tell({ k: 'line', line: `${(at / 1_000).toFixed(3).padStart(8)} s  ${who}: ${text}` });

async function mutate(name: string): Promise<void> {
  const { mutations } = await import('./mutations.ts');
  const { installMutation } = await import('./install-mutation.ts');
  const mutation = mutations.find((one) => one.name === name);
  if (mutation === undefined) throw new Error(`there is no mutation "${name}"`);
  installMutation(mutation);
}
