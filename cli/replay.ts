import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { type Command, Option } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Report } from '#simulator/replay/replay.ts';
import { type ScenarioName, scenarioNames } from '#simulator/replay/scenarios.ts';
import { positiveNumber } from './option-parsers.ts';

interface ReplayCommand {
  readonly scenario?: ScenarioName;
  readonly trace?: string;
  readonly hours: number;
  readonly perSecond: number;
  readonly macs: number;
  readonly concurrency: number;
  readonly seed: number;
  readonly conditions: boolean;
  readonly owners?: boolean;
  readonly json?: boolean;
}

const DAY_SWING = 0.6;
const ACCOUNTS = 500;

export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .description(
      'replay a day, a recorded trace or an incident against the real routing code, in virtual time',
    )
    .addOption(new Option('--scenario <name>', 'the incident to replay').choices(scenarioNames))
    .option('--trace <file>', 'a file with recorded requests (dinf routing trace)')
    .option(
      '--hours <n>',
      'hours of generated requests; there are more by day than by night',
      positiveNumber,
      24,
    )
    .option('--per-second <n>', 'average number of requests per second', positiveNumber, 10)
    .option('--macs <n>', 'number of Macs, with mixed chips', positiveNumber, 1_260)
    .option('--concurrency <n>', 'answers that each Mac generates at once', positiveNumber, 8)
    .option(
      '--seed <n>',
      'seed of the random numbers; the same seed gives the same run',
      positiveNumber,
      1,
    )
    .option(
      '--no-conditions',
      'no machine reports heat, memory, processor or power; compare with a run without this option',
    )
    .option(
      '--owners',
      'owners let their computers sleep, limit the hours and use them; compare with a run without this option',
    )
    .option('--json', 'print the report as JSON')
    .action((options: ReplayCommand) => run(options));
}

async function run(options: ReplayCommand): Promise<void> {
  const startedAt = performance.now();
  const report = await reportOf(options);
  if (options.json) return console.log(JSON.stringify(report));
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ') || 'none';
  const { p50, p95, p99 } = report.firstContentMs;
  const lines = [
    `${report.virtualHours.toFixed(1)} hours and ${report.requests} requests in ${tookSeconds.toFixed(1)} s`,
    `served            ${percent(report.servedShare)}, ${percent(report.ofOptimum)} of the theoretical maximum`,
    `not served        ${list(report.refusedBy)}`,
    `first content     p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`,
    `speed of answers  p50 ${report.tokensPerSecond.p50}, p5 ${report.tokensPerSecond.p5} tokens/s; ${percent(report.slowShare)} below 15`,
    `attempts          ${report.attemptsPerRequest.toFixed(3)} per request; refused by machines: ${list(report.refusedAttempts)}`,
    `available         ${percent(report.availableShare)} of the machine-hours`,
    `hung, zombies     ${report.hung}, ${report.zombies}`,
    `digest            ${report.digest.slice(0, 16)}`,
  ];
  console.log(lines.join('\n'));
}

async function reportOf({
  scenario,
  trace,
  hours,
  perSecond,
  macs,
  concurrency,
  seed,
  conditions,
  owners = false,
}: ReplayCommand): Promise<Report> {
  const { QUEUE_DEPTH, replay, runScenario, TIMES } = await import('#simulator/replay/replay.ts');
  if (scenario !== undefined)
    return runScenario(
      (await import('#simulator/replay/scenarios.ts')).scenarios[scenario],
      seed,
      conditions,
    );
  const { madeUpArrivals } = await import('#simulator/replay/made-up-arrivals.ts');
  const { SeededRandom } = await import('#provider/engine/sampling/random.ts');
  const demand = { hours, perSecond, swing: DAY_SWING, accounts: ACCOUNTS, model: 'sim-llama-8b' };
  const arrivals =
    trace === undefined
      ? madeUpArrivals(demand, new SeededRandom(seed + 1))
      : await readTrace(trace);
  return replay({
    macs,
    concurrency,
    queueDepth: QUEUE_DEPTH,
    seed,
    conditions,
    times: TIMES,
    clients: { retries: 2 },
    incidents: [],
    ...(owners && { owners: { hours } }),
    arrivals,
  });
}

async function readTrace(file: string) {
  const { parseArrival } = await import('#bus-schemas');
  const arrivals = [];
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(file) })) {
    line += 1;
    if (text.trim() === '') continue;
    const arrival = parseArrival(text);
    if (arrival === undefined)
      throw new CommandError(
        EXIT.usage,
        `${file}, line ${line}: this is not a request as dinf routing trace writes it`,
      );
    arrivals.push(arrival);
  }
  return arrivals.sort((one, other) => one.at - other.at);
}
