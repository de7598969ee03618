import type { Command } from 'commander';
import { wholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { COORDINATOR, explainSealedError, LOG_KEY, type LogOptions } from './log-options.ts';

interface WitnessOptions extends LogOptions {
  readonly every: number;
  readonly once?: boolean;
}

export function addWitnessCommand(program: Command): void {
  program
    .command('witness')
    .description("watch a network's log: an alarm, and an end, when it takes back what it said")
    .option(...COORDINATOR)
    .option(...LOG_KEY)
    .option('--every <seconds>', 'how often', wholeNumber, 60)
    .option('--once', 'look once')
    .action((options: WitnessOptions) => runWitness(options));
}

async function runWitness({ coordinator, logKey, every, once }: WitnessOptions): Promise<void> {
  const [{ hex }, { SealedClient }, { SavedLogHead }] = await Promise.all([
    import('#bus-schemas'),
    import('#client'),
    import('#client/saved-log-head.ts'),
  ]);
  const savedHead = await SavedLogHead.of(coordinator);
  const writes: Promise<void>[] = [];
  const onHead = (head: Parameters<typeof savedHead.save>[0]) =>
    void writes.splice(0, writes.length, savedHead.save(head));
  using client = new SealedClient({
    url: coordinator,
    minimumLevel: 'none',
    logKey,
    savedHead: await savedHead.read(),
    onHead,
  });
  const stopped = stopSignal().then(() => true);
  for (let isOver = false; !isOver; ) {
    const { size, root, at } = await client.log.refresh().catch(explainSealedError);
    await Promise.all(writes);
    console.log(
      `${new Date(at).toISOString()} ${size} entries, ${hex(root)}: a continuation of what was seen before`,
    );
    isOver =
      once === true ||
      (await Promise.race([
        stopped,
        new Promise<boolean>((go) => setTimeout(() => go(false), every * 1_000)),
      ]));
  }
}
