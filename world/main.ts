/**
 * One world, in a process of its own: modules of the program keep state, which the next world in
 * the same process would see. Its parent sends the task and receives the result.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import type { WorldFault } from './faults.ts';
import type { Life } from './life.ts';
import { installNetwork } from './virtual/install-network.ts';
import { installTime } from './virtual/install-time.ts';
import { installWebCrypto } from './virtual/real-work.ts';
import { installRandomness } from './virtual/seeded-numbers.ts';

/** `template`: the database with all migrations, which is made once and then copied. */
export type WorldTask =
  | { readonly make: 'template'; readonly template: string }
  | {
      readonly make: 'life';
      readonly template: string;
      readonly seed: number;
      /** Replaces the faults that follow from the seed. */
      readonly faults?: readonly WorldFault[];
      /** Whether the story is sent line by line. */
      readonly tells: boolean;
      /** The name of a change that breaks the program. */
      readonly mutation?: string;
    };

export type Told =
  | { readonly k: 'line'; readonly line: string }
  | { readonly k: 'made' }
  | { readonly k: 'lived'; readonly life: Life };

const tell = (told: Told): Promise<void> =>
  new Promise((resolve) => void process.send?.(told, undefined, undefined, () => resolve()));

process.once('message', (task: WorldTask) => void perform(task).then(() => process.exit(0)));

async function perform(task: WorldTask): Promise<void> {
  const isLife = task.make === 'life';
  const database = await PGlite.create(
    isLife ? { loadDataDir: new Blob([await readFile(task.template)]) } : {},
  );
  if (isLife && task.mutation !== undefined) await mutate(task.mutation);
  const { World } = await import('./world.ts');
  const world = new World({
    seed: isLife ? task.seed : 0,
    database,
    story: (at, who, text) =>
      isLife && task.tells
        ? void tell({
            k: 'line',
            line: `${(at / 1_000).toFixed(3).padStart(8)} s  ${who}: ${text}`,
          })
        : undefined,
  });
  installWebCrypto();
  installRandomness(() => world.chance);
  installTime(world.time);
  installNetwork(() => world);
  process.on('unhandledRejection', (error) => world.crashed(undefined, error));
  process.on('uncaughtException', (error) => world.crashed(undefined, error));
  if (isLife) {
    const { live } = await import('./life.ts');
    return tell({ k: 'lived', life: await live(world, task.faults) });
  }
  const { migrateWorld } = await import('./network.ts');
  await migrateWorld(world);
  const files = await database.dumpDataDir('none');
  await writeFile(task.template, Buffer.from(await files.arrayBuffer()));
  await tell({ k: 'made' });
}

async function mutate(name: string): Promise<void> {
  const { mutations } = await import('./mutations.ts');
  const { installMutation } = await import('./install-mutation.ts');
  const mutation = mutations.find((one) => one.name === name);
  if (mutation === undefined) throw new Error(`there is no mutation "${name}"`);
  installMutation(mutation);
}
