import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { EXIT } from '#bus-schemas/exit-codes.ts';
import { forEachAtOnce } from '#bus-schemas/for-each-at-once.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Life } from '#world/life.ts';
import type { Worlds } from '#world/worlds.ts';
import { positiveNumber } from './option-parsers.ts';

interface WorldCommand {
  readonly seed: number;
  readonly seeds: number;
  readonly story?: boolean;
  readonly json?: boolean;
  readonly mutations?: boolean;
}

export function addCommands(program: Command): void {
  program
    .command('world')
    .description(
      'run the whole network in one process, in virtual time, with faults that follow from a seed, and check that every rule was kept',
    )
    .option('--seed <n>', 'the first seed', positiveNumber, 1)
    .option('--seeds <n>', 'number of worlds, each with the next seed', positiveNumber, 1)
    .option('--story', 'print what happened in the world, with its time')
    .option('--json', 'print the result of each world as one line of JSON')
    .option(
      '--mutations',
      'break the program in one place after the other, and find for each the first seed that notices it, or the faults that come with it',
    )
    .action((options: WorldCommand) => (options.mutations ? findMutations(options) : run(options)));
}

async function run({ seed: first, seeds, story, json }: WorldCommand): Promise<void> {
  const { Worlds } = await import('#world/worlds.ts');
  using worlds = await Worlds.prepare();
  const startedAt = performance.now();
  const all = Array.from({ length: seeds }, (_, index) => first + index);
  let virtualMs = 0;
  let broken = 0;
  const report = async (life: Life): Promise<void> => {
    virtualMs += life.virtualMs;
    if (json) console.log(JSON.stringify(life));
    if (life.violations.length === 0) return;
    broken += 1;
    if (!json) await explain(worlds, life);
  };
  const onLine = (line: string): void => console.log(line);
  await forEachAtOnce(all, availableParallelism(), async (seed) => {
    try {
      await report(await worlds.live({ seed, ...(story && { onLine }) }));
    } catch (error) {
      broken += 1;
      console.error(`The world ${seed} has no result: ${messageOf(error)}`);
    }
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  if (!json)
    console.log(
      `${seeds} ${seeds === 1 ? 'world' : 'worlds'} of ${(virtualMs / 1_000 / seeds).toFixed(0)} s each, ${broken} with a broken rule, in ${seconds.toFixed(0)} s: ${(virtualMs / 1_000 / seconds).toFixed(1)} times as fast as real time`,
    );
  if (broken > 0) process.exitCode = EXIT.failure;
}

/** Finds the faults that a broken rule needs, and prints how to repeat it. */
async function explain(worlds: Worlds, life: Life): Promise<void> {
  const { faultSentence } = await import('#world/faults.ts');
  const { seed, faults, violations } = await worlds.shrink(life);
  const rules = [...new Set(violations.map(({ rule }) => rule))];
  console.log(`The world ${seed} broke ${rules.map((rule) => `"${rule}"`).join(', ')}:`);
  for (const { text } of violations.slice(0, 5)) console.log(`  ${text}`);
  console.log(
    `with ${faults.length} of ${life.faults.length} faults, by the time after the first request:`,
  );
  for (const fault of faults)
    console.log(`  ${(fault.at / 1_000).toFixed(1)} s  ${fault.host} ${faultSentence(fault)}`);
  console.log(`Repeat it with: dinf world --seed ${seed} --story`);
}

/** Prints for each mutation the first seed whose world breaks a rule. */
async function findMutations({ seed: first, seeds }: WorldCommand): Promise<void> {
  const { Worlds } = await import('#world/worlds.ts');
  const { mutations } = await import('#world/mutations.ts');
  // Makes the database, which every mutation uses.
  using _unchanged = await Worlds.prepare();
  let unseen = 0;
  await forEachAtOnce(mutations, availableParallelism(), async ({ name, noticedWith }) => {
    using worlds = await Worlds.prepare({ mutation: name });
    const found = noticedWith
      ? await noticedIn(worlds, { seed: first, faults: noticedWith.faults })
      : await firstThatNotices(worlds, { first, seeds });
    if (found === undefined) unseen += 1;
    console.log(
      `${name}: ${found === undefined ? 'not noticed' : `seed ${found.seed}${noticedWith ? ' with the faults of the mutation' : ''}, "${found.rule}"`}`,
    );
  });
  console.log(`${mutations.length - unseen} of ${mutations.length} mutations were noticed`);
  if (unseen > 0) process.exitCode = EXIT.failure;
}

interface Noticed {
  readonly seed: number;
  readonly rule: string;
}

async function firstThatNotices(
  worlds: Worlds,
  { first, seeds }: { first: number; seeds: number },
): Promise<Noticed | undefined> {
  for (let seed = first; seed < first + seeds; seed += 1) {
    const noticed = await noticedIn(worlds, { seed });
    if (noticed !== undefined) return noticed;
  }
  return undefined;
}

/** A world that has no result notices the change as well: its process ended by it. */
async function noticedIn(
  worlds: Worlds,
  wanted: Parameters<Worlds['live']>[0],
): Promise<Noticed | undefined> {
  const { seed } = wanted;
  try {
    const [broken] = (await worlds.live(wanted)).violations;
    return broken && { seed, rule: broken.rule };
  } catch (error) {
    return { seed, rule: messageOf(error) };
  }
}
