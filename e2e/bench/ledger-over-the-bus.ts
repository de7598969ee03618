import { pino } from 'pino';
import { events, JobEnded, newJobId, services } from '#bus-schemas';
import { startNetwork } from '#network';
import { percentile } from './statistics.ts';

const CALL = { timeoutMs: 10_000 };
const MODEL = 'bench-model';
/** Jobs that end per second while the database is down; typical of a small network. */
const ENDS_PER_SECOND = 500;
const MiB = 1024 * 1024;

/** Measures the time of a hold over the bus, and an outage of the database under load. */
export async function measureBus(
  { holds, outageSeconds }: { holds: number; outageSeconds: number },
  say: (line: string) => void,
): Promise<void> {
  await using network = await startNetwork({
    log: pino({ level: 'silent' }),
    config: { http: { host: '127.0.0.1', port: 0 } },
  });
  const { bus } = network.coordinator;
  await network.putModels([
    {
      id: MODEL,
      displayName: 'Bench',
      contextTokens: 8_192,
      maxOutputTokens: 4_096,
      builds: ['b'],
    },
  ]);
  const { account, key } = await network.createKey({ name: 'bench', creditMicroUsd: 1e12 });
  const hold = async (job: string): Promise<void> => {
    const ask = {
      job,
      account,
      key,
      model: MODEL,
      promptBound: 1_000,
      outputBound: 500,
      expiresAt: Date.now() + 3_600_000,
    };
    const answer = await bus.call(services.settlement.hold, ask, CALL);
    if (!answer.ok) throw new Error(answer.code);
  };
  const jobs = Array.from({ length: holds }, newJobId);
  for (let warm = 0; warm < 50; warm += 1) await hold(newJobId());
  const times: number[] = [];
  for (const job of jobs) {
    const startedAt = performance.now();
    await hold(job);
    times.push(performance.now() - startedAt);
  }
  say(
    `\na hold at c=1 through the bus: p50 ${percentile(times, 0.5).toFixed(2)} ms  p99 ${percentile(times, 0.99).toFixed(2)} ms`,
  );

  const held = Array.from({ length: outageSeconds * ENDS_PER_SECOND }, newJobId);
  for (let from = 0; from < held.length; from += 1_000)
    await Promise.all(held.slice(from, from + 1_000).map(hold));
  const before = process.memoryUsage().rss;
  let most = before;
  await network.postgres?.kill();
  for (let second = 0; second < outageSeconds; second += 1) {
    const until = performance.now() + 1_000;
    for (const job of held.slice(second * ENDS_PER_SECOND, (second + 1) * ENDS_PER_SECOND))
      bus.emit(events.jobEnded, JobEnded, endOf(job, account, key), `ended:${job}`);
    await new Promise((resolve) => setTimeout(resolve, until - performance.now()));
    most = Math.max(most, process.memoryUsage().rss);
  }
  const restartedAt = performance.now();
  await network.postgres?.restart();
  const open = async () =>
    (await bus.call(services.settlement.verify, {}, CALL).catch(() => undefined))?.openHolds;
  const left = holds + 50;
  while ((await open()) !== left) {
    if (performance.now() - restartedAt > 300_000)
      throw new Error(`${await open()} holds are still open, ${left} should be`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { ok } = await bus.call(services.settlement.verify, { full: true }, CALL);
  say(
    `${outageSeconds} s without a database, ${held.length} jobs ended meanwhile: resident memory ${Math.round(before / MiB)} MB before, ${Math.round(most / MiB)} MB at most; ` +
      `all settled ${((performance.now() - restartedAt) / 1_000).toFixed(1)} s after it was started again, the books ${ok ? 'balance' : 'DO NOT BALANCE'}`,
  );
}

function endOf(job: string, account: string, key: string): JobEnded {
  return {
    job,
    account,
    key,
    ingress: 'in_000000000000',
    model: MODEL,
    build: 'b',
    attempts: 1,
    at: Date.now(),
    result: 'failed',
    streamed: true,
    deliveredTokens: 0,
    promptBound: 1_000,
    timing: { routeUs: 0, holdUs: 0, totalUs: 0 },
  };
}
