import type { Command } from 'commander';
import type { NetworkStats } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { iso } from '../printed-values.ts';
import { table } from '../table.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 10_000 };
const DAY_MS = 86_400_000;

export function addStatsCommand(program: Command): void {
  program
    .command('stats')
    .description('requests, tokens and machines of the last 24 hours and 30 days, exactly')
    .option('--hours', 'a row for each hour of the last 30 days, too')
    .option('--json', 'for programs')
    .action((options: { hours?: boolean; json?: boolean }) =>
      withBus((bus) => showStats(bus, options)),
    );
}

async function showStats(
  bus: Bus,
  { hours: byHour = false, json = false }: { hours?: boolean; json?: boolean },
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const [stats, { machines }] = await Promise.all([
    bus.call(services.telemetry.stats, {}, CALL),
    bus.call(services.routing.census, {}, CALL),
  ]);
  if (json) return console.log(JSON.stringify({ ...stats, machines }));
  const recent = stats.hours.filter(({ at }) => at > Date.now() - DAY_MS);
  const parts = [
    table([
      ['', 'REQUESTS', 'COMPLETE', 'TOKENS'],
      ['last 24 hours', ...totals(recent)],
      ['last 30 days', ...totals(stats.hours)],
    ]),
    table([
      ['MODEL', 'REQUESTS 24 H', 'TOKENS 24 H', 'REQUESTS 30 D', 'TOKENS 30 D', 'TOKENS/S'],
      ...stats.models.map((row) => [
        row.model,
        String(row.dayRequests),
        String(row.dayTokens),
        String(row.monthRequests),
        String(row.monthTokens),
        row.tokensPerSecond.toFixed(1),
      ]),
    ]),
    table([
      ['CHIP', 'STATE', 'MACHINES'],
      ...machines.map(({ chip, simulated, state, machines: count }) => [
        simulated ? `${chip} (simulated)` : chip,
        state,
        String(count),
      ]),
    ]),
    ...(byHour
      ? [
          table([
            ['HOUR', 'REQUESTS', 'COMPLETE', 'TOKENS'],
            ...stats.hours.map((hour) => [iso(hour.at), ...totals([hour])]),
          ]),
        ]
      : []),
  ];
  console.log(parts.join('\n\n'));
}

function totals(hours: readonly NetworkStats['hours'][number][]): string[] {
  return (['requests', 'completed', 'tokens'] as const).map((figure) =>
    String(hours.reduce((sum, hour) => sum + hour[figure], 0)),
  );
}
