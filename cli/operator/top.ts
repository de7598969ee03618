import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { JobEnded } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import { table } from '../table.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 5_000 };
const EVERY_MS = 1_000;
/** Rates and times are of the last so many seconds. */
const WINDOW_MS = 10_000;
const MAX_KEPT = 50_000;
const MAX_ROWS = 30;
const CLEAR = '\x1b[H\x1b[2J';

export function addTopCommand(program: Command): void {
  program
    .command('top')
    .description('what the network does now, every second: models, machines, requests')
    .option('--once', 'look once, after a second, and end')
    .action(({ once = false }: { once?: boolean }) => withBus((bus) => top(bus, once)));
}

async function top(bus: Bus, once: boolean): Promise<void> {
  const { JobEnded, JobAttempt, RoutingLed, events } = await import('#bus-schemas');
  const recent = new Recent();
  let router = '';
  bus.subscribe({ subject: events.jobEnded, kind: JobEnded, handle: (end) => recent.ended(end) });
  bus.subscribe({
    subject: events.jobAttempt,
    kind: JobAttempt,
    handle: ({ failure, refusal }) => recent.failed(refusal ?? failure),
  });
  bus.subscribe({
    subject: events.routingLed,
    kind: RoutingLed,
    handle: (led) =>
      (router = `, ${led.router} leads since ${new Date(led.at).toLocaleTimeString()}`),
  });
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const live = process.stdout.isTTY === true && !once;
  for (;;) {
    await delay(EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    if (stop.signal.aborted) return;
    console.log((live ? CLEAR : '') + (await screen(bus, recent)) + router);
    if (once) return;
  }
}

async function screen(bus: Bus, recent: Recent): Promise<string> {
  const { services } = await import('#bus-schemas');
  try {
    const [{ builds, queued, queueDepth }, { tally }] = await Promise.all([
      bus.call(services.routing.capacity, {}, CALL),
      bus.call(services.routing.explain, { promptTokens: 1, maxOutputTokens: 1 }, CALL),
    ]);
    const slots = Object.entries(tally).map(([gate, count]) => `${count} ${gate}`);
    const rows = builds
      .slice(0, MAX_ROWS)
      .map(({ build, providers, warm, running, freeSlots, decodeTps }) => [
        build,
        String(providers),
        String(warm),
        String(running),
        String(freeSlots),
        providers === 0 ? '' : (decodeTps / providers).toFixed(0),
      ]);
    return [
      table([['MODEL', 'MACHINES', 'WARM', 'RUNNING', 'FREE', 'TOKENS/S EACH'], ...rows]),
      '',
      `slots     ${slots.join(', ') || 'none'}`,
      `queue     ${queued} of ${queueDepth}`,
      ...recent.lines(),
    ].join('\n');
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return 'no router answers';
  }
}

/** What happened in the last seconds. */
class Recent {
  #ends: { at: number; end: JobEnded }[] = [];
  #failures: { at: number; why: string }[] = [];

  ended(end: JobEnded): void {
    this.#ends.push({ at: performance.now(), end });
    if (this.#ends.length > MAX_KEPT) this.#ends = this.#ends.slice(MAX_KEPT / 2);
  }

  failed(why: string): void {
    this.#failures.push({ at: performance.now(), why });
    if (this.#failures.length > MAX_KEPT) this.#failures = this.#failures.slice(MAX_KEPT / 2);
  }

  lines(): string[] {
    const since = performance.now() - WINDOW_MS;
    this.#ends = this.#ends.filter(({ at }) => at >= since);
    this.#failures = this.#failures.filter(({ at }) => at >= since);
    const ends = this.#ends.map(({ end }) => end);
    const first = ends
      .flatMap(({ timing }) =>
        timing.firstContentUs === undefined ? [] : [timing.firstContentUs / 1_000],
      )
      .sort((one, other) => one - other);
    const at = (share: number) =>
      first[Math.min(first.length - 1, Math.floor(first.length * share))]?.toFixed(0) ?? '–';
    const tokens = ends.reduce((sum, { deliveredTokens }) => sum + deliveredTokens, 0);
    const perSecond = (count: number) => ((1_000 * count) / WINDOW_MS).toFixed(1);
    return [
      `requests  ${perSecond(ends.length)} a second, ${perSecond(tokens)} tokens a second; first content p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`,
      `ended     ${counted(ends.map(({ result }) => result))}`,
      `attempts  failed: ${counted(this.#failures.map(({ why }) => why))}`,
    ];
  }
}

function counted(words: readonly string[]): string {
  const counts = Map.groupBy(words, (word) => word);
  return [...counts].map(([word, all]) => `${all.length} ${word}`).join(', ') || 'none';
}
