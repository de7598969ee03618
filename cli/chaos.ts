import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { positiveNumber, positiveWholeNumber } from './option-parsers.ts';
import { stopSignal } from './stop-signal.ts';

interface ChaosCommand {
  readonly minutes: number;
  readonly seed: number;
}

const MINUTES = 30;
const SEEDS = 1_000_000;

export function addCommands(program: Command): void {
  program
    .command('chaos')
    .description(
      'break a network of real processes in one place after the other for some minutes, and check what its clients received and paid',
    )
    .option('--minutes <n>', 'time with faults', positiveNumber, MINUTES)
    .option(
      '--seed <n>',
      'the faults and the requests follow from it; a random one if left out',
      positiveWholeNumber,
    )
    .action((options: ChaosCommand) => run(options));
}

async function run({
  minutes,
  seed = 1 + Math.floor(Math.random() * SEEDS),
}: ChaosCommand): Promise<void> {
  if (process.platform !== 'linux')
    throw new CommandError(EXIT.unavailable, 'dinf chaos needs Linux: its faults use /proc.');
  const { runInNamespace } = await import('#e2e/chaos/live/own-namespace.ts');
  const { cacheFolder, findNatsServer } = await import('#provider');
  // Fetched before the network is out of reach.
  await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const code = await runInNamespace();
  if (code !== undefined) {
    process.exitCode = code;
    return;
  }
  const { chaos } = await import('#e2e/chaos/live/chaos.ts');
  const stopping = new AbortController();
  void stopSignal().then(() => stopping.abort());
  console.log(`chaos for ${minutes} minutes with the seed ${seed}`);
  const { violations } = await chaos({
    minutes,
    seed,
    signal: stopping.signal,
    print: (line) => console.log(line),
  });
  // Connections that a fault broke are still open for Node, which would wait for their end.
  process.exit(violations.length > 0 ? EXIT.failure : 0);
}
