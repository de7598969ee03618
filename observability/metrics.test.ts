import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { counter, histogram, measured } from './metrics.ts';

const lines = async (registry: Registry, name: string) =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(name));

describe('a figure that is read at each scrape', () => {
  test('is left out and counted while it cannot be read, and all others are there', async () => {
    const registry = new Registry();
    let isReadable = true;
    measured(registry, 'dinf_settlement_holds_open', async () => {
      if (!isReadable) throw new Error('Postgres is away');
      return 3;
    });
    measured(registry, 'dinf_routing_queue', () => 7);
    expect(await lines(registry, 'dinf_settlement_holds_open')).toEqual([
      'dinf_settlement_holds_open 3',
    ]);
    isReadable = false;
    const text = await registry.metrics();
    expect(text).not.toMatch(/^dinf_settlement_holds_open/m);
    expect(text).toMatch(/^dinf_routing_queue 7$/m);
    // The next scrape has the failure of this one.
    expect(await registry.metrics()).toContain(
      'dinf_metrics_failures_total{metric="dinf_settlement_holds_open"} 1\n',
    );
  });

  test('does not restart from 0 if it is a counter that cannot be read once', async () => {
    const registry = new Registry();
    let value: number | undefined = 12;
    measured(registry, 'dinf_bus_reconnects_total', () => {
      if (value === undefined) throw new Error('unreadable');
      return value;
    });
    await registry.metrics();
    value = undefined;
    expect(await lines(registry, 'dinf_bus_reconnects_total')).toEqual([
      'dinf_bus_reconnects_total 12',
    ]);
  });

  test('loses the label values that it no longer has', async () => {
    const registry = new Registry();
    let states = ['resident', 'cold'];
    measured(registry, 'dinf_routing_slots', () =>
      states.map((state) => ({ labels: { state }, value: 1 })),
    );
    await registry.metrics();
    states = ['cold'];
    expect(await lines(registry, 'dinf_routing_slots')).toEqual([
      'dinf_routing_slots{state="cold"} 1',
    ]);
  });
});

test('a counter with a fixed list of kinds begins at 0, so that the first event is an increase', async () => {
  const registry = new Registry();
  counter(registry, 'dinf_settlement_alerts_total');
  expect(await lines(registry, 'dinf_settlement_alerts_total')).toContain(
    'dinf_settlement_alerts_total{kind="ledger_drift"} 0',
  );
});

test('a histogram has the buckets of the table', async () => {
  const registry = new Registry();
  histogram(registry, 'dinf_first_content_seconds').observe({ model: 'sim' }, 0.2);
  expect(await lines(registry, 'dinf_first_content_seconds_bucket')).toContain(
    'dinf_first_content_seconds_bucket{le="0.25",model="sim"} 1',
  );
});
