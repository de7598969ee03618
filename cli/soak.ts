import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { positiveNumber } from './option-parsers.ts';
import { stopSignal } from './stop-signal.ts';
import { table } from './table.ts';

interface SoakCommand {
  readonly hours: number;
  readonly every: number;
  readonly out: string;
}

const HOURS = 4;
const EVERY_SECONDS = 15;

export function addCommands(program: Command): void {
  program
    .command('soak')
    .description(
      'run a network under half load for hours, and check that no process, table or stream grows without a bound',
    )
    .option('--hours <n>', 'how long', positiveNumber, HOURS)
    .option('--every <seconds>', 'time between two samples', positiveNumber, EVERY_SECONDS)
    .option('--out <file>', 'file for the samples, one line of JSON for each', 'soak.jsonl')
    .action((options: SoakCommand) => run(options));
}

async function run({ hours, every, out }: SoakCommand): Promise<void> {
  if (process.platform !== 'linux')
    throw new CommandError(EXIT.unavailable, 'dinf soak needs Linux: it reads memory from /proc.');
  const { soak } = await import('#e2e/soak/soak.ts');
  const stopping = new AbortController();
  void stopSignal().then(() => stopping.abort());
  const { samples, verdicts, failed } = await soak({
    minutes: hours * 60,
    everyMs: every * 1_000,
    file: out,
    signal: stopping.signal,
    print: (line) => console.log(line),
  });
  const last = samples.at(-1);
  console.log(
    `${last?.requests ?? 0} requests in ${(last?.minute ?? 0).toFixed(0)} minutes, ${failed} not served; slopes of the second half:`,
  );
  // Empty tables say nothing.
  const shown = verdicts.filter(({ first, last, broken }) => first > 0 || last > 0 || broken);
  const number = (value: number) => value.toFixed(Math.abs(value) < 10 ? 2 : 0);
  console.log(
    table([
      ['figure', 'unit', 'first', 'last', 'a minute', '± error', ''],
      ...shown.map(({ series, first, last, slope, isTooShort, broken }) => [
        series.name,
        series.unit,
        number(first),
        number(last),
        number(slope.perMinute),
        number(slope.error),
        broken ?? (isTooShort ? 'not judged: the run is too short' : ''),
      ]),
    ]),
  );
  const broken = verdicts.filter((verdict) => verdict.broken !== undefined);
  for (const { series, broken: why } of broken) console.log(`BROKEN  ${series.name} ${why}`);
  if (broken.length > 0 || failed > 0) process.exitCode = EXIT.failure;
}
