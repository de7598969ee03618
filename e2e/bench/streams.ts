import { run } from './load.ts';
import { memoryOf } from './process-figures.ts';
import { startDirect, startOurs } from './processes.ts';
import { percentile, show, spread } from './statistics.ts';

const sizes = {
  full: { rounds: 5, streams: [500, 1_000], tokens: 250 },
  smoke: { rounds: 1, streams: [100], tokens: 50 },
} as const;
const TOKEN_MS = 20;

/**
 * Measures the time between the frames of many streams at once, in turns with the engine alone: how
 * evenly the network passes tokens on.
 */
export async function benchStreams(name: keyof typeof sizes): Promise<void> {
  const { rounds, streams, tokens } = sizes[name];
  await using direct = await startDirect(TOKEN_MS);
  await using ours = await startOurs(TOKEN_MS);
  const measured = [direct, ours];
  for (const concurrency of streams) {
    console.log(
      `\n${concurrency} streams at once, ${TOKEN_MS} ms a token, ${tokens} tokens each; median of ${rounds} rounds (least–most) in ms`,
    );
    const figures = measured.map(() => ({
      p50: [] as number[],
      p99: [] as number[],
      first50: [] as number[],
      failed: 0,
      refused: 0,
    }));
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, { target }] of measured.entries()) {
        const load = { concurrency, requests: concurrency, maxTokens: tokens, stream: true };
        const { gapsMs, failed, refused, firstBytesMs } = await run(target, load);
        const own = figures[index] as (typeof figures)[number];
        own.p50.push(percentile(gapsMs, 0.5));
        own.p99.push(percentile(gapsMs, 0.99));
        own.first50.push(percentile(firstBytesMs, 0.5));
        own.failed += failed;
        own.refused += refused;
      }
    }
    for (const [index, { target }] of measured.entries()) {
      const { p50, p99, first50, failed, refused } = figures[index] as (typeof figures)[number];
      console.log(
        `  ${target.name.padEnd(20)} between frames p50 ${show(spread(p50))}  p99 ${show(spread(p99))}  first content p50 ${show(spread(first50))}  failed ${failed}, of which ${refused} were refused`,
      );
    }
    const ratios = figures[1]?.p99.map((ms, round) => ms / (figures[0]?.p99[round] ?? Number.NaN));
    console.log(`  p99 divided by that of the engine alone: ${show(spread(ratios ?? []))}`);
    console.log(`  memory with the streams ${memoryOf(ours.pid)}`);
  }
}
