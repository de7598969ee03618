import { cpus } from 'node:os';
import { run } from './load.ts';
import { type OpenResult, offer } from './open-load.ts';
import { startOurs } from './processes.ts';
import { percentile, show, spread } from './statistics.ts';

const sizes = {
  full: { rounds: 5, seconds: 15, requests: 3_000 },
  smoke: { rounds: 2, seconds: 3, requests: 300 },
} as const;
const TIMES = [1, 2, 3] as const;
const DEADLINE_MS = 10_000;
const say = (line = '') => console.log(line);

/** What limits the requests that are served in a second. */
const limits = [
  {
    what: 'the places of the machines',
    tokenMs: 20,
    places: 4,
    maxTokens: 20,
    concurrency: 16,
  },
  {
    what: 'the processors of this computer',
    tokenMs: 0,
    places: 256,
    maxTokens: 8,
    concurrency: 64,
  },
] as const;

/**
 * Offers a network more requests than it can serve, at a fixed rate. What it can serve is measured
 * before with clients that wait for their answers.
 */
export async function benchOverload(name: keyof typeof sizes): Promise<void> {
  const { rounds, seconds, requests } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}. Median of ${rounds} rounds (least–most). Clients leave after ${DEADLINE_MS / 1_000} s.`,
  );
  for (const { what, tokenMs, places, maxTokens, concurrency } of limits) {
    await using ours = await startOurs(tokenMs, { places });
    const shape = { maxTokens, stream: false };
    await run(ours.target, { ...shape, concurrency, requests: 200 });
    const capacities: number[] = [];
    const offered = TIMES.map((times) => ({ times, results: [] as OpenResult[] }));
    for (let round = 0; round < rounds; round += 1) {
      const load = { ...shape, concurrency, requests: Math.min(requests, 400 * concurrency) };
      const capacity = (await run(ours.target, load)).perSecond;
      capacities.push(capacity);
      for (const { times, results } of offered) {
        const perSecond = times * capacity;
        results.push(
          await offer(ours.target, { ...shape, perSecond, seconds, deadlineMs: DEADLINE_MS }),
        );
      }
    }
    say(`\nlimited by ${what}: ${show(spread(capacities), 0)} answers a second`);
    for (const { times, results } of offered) {
      const share = spread(
        results.map(({ goodPerSecond }, round) => (100 * goodPerSecond) / (capacities[round] ?? 1)),
      );
      const good = spread(results.map(({ goodMs }) => percentile(goodMs, 0.5)));
      const slow = spread(results.map(({ goodMs }) => percentile(goodMs, 0.99)));
      const answers = results.flatMap(({ refused }) => refused);
      const refused = [...new Set(answers.map(({ status }) => status))].map((wanted) => {
        const times = answers.filter(({ status }) => status === wanted).map(({ ms }) => ms);
        return `${times.length} × ${wanted} (p50 ${percentile(times, 0.5).toFixed(0)} ms)`;
      });
      const late = results.reduce((sum, result) => sum + result.late, 0);
      say(
        `  ${times}× offered: ${show(share, 0)} % of it served; p50 ${show(good, 0)}, p99 ${show(slow, 0)} ms; ${[...refused, `${late} late`].join(', ')}`,
      );
    }
  }
}
