import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { type MetricsAddress, type MetricsListener, measured, offerMetrics } from '#observability';
import type { Agent } from './agent/agent.ts';
import type { Engine } from './engine/engine.ts';
import type { Leaf } from './leaf/leaf.ts';
import type { LeafLink } from './leaf/leaf-links.ts';

export interface MeasuredMachines {
  /** The providers of this process: one, or a simulated fleet. */
  readonly machines: readonly {
    readonly engine: Pick<Engine, 'slots'>;
    readonly agent: Pick<Agent, 'running' | 'receiptsWaiting'>;
  }[];
  readonly leaves: readonly Pick<Leaf, 'links'>[];
}

/**
 * Offers the figures of the providers of a process. Import this file only if they are offered: the
 * library for figures has 80 modules.
 */
export function offerMachineMetrics(
  address: MetricsAddress,
  { log, ...measuredMachines }: MeasuredMachines & { readonly log: Logger },
): Promise<MetricsListener> {
  const metrics = new Registry();
  measureMachines(metrics, measuredMachines);
  return offerMetrics(address, { metrics, log });
}

/** Measures the providers of a process as sums: no label names a machine. */
function measureMachines(metrics: Registry, { machines, leaves }: MeasuredMachines): void {
  const sum = (pick: (machine: MeasuredMachines['machines'][number]) => number) =>
    machines.reduce((total, machine) => total + pick(machine), 0);
  measured(metrics, 'dinf_machine_providers', () => machines.length);
  measured(metrics, 'dinf_machine_jobs_running', () => sum(({ agent }) => agent.running));
  measured(metrics, 'dinf_machine_receipts_waiting', () =>
    sum(({ agent }) => agent.receiptsWaiting),
  );
  measured(metrics, 'dinf_machine_slots', () => {
    const slots = machines.flatMap(({ engine }) => engine.slots());
    return [...Map.groupBy(slots, ({ state }) => state)].map(([state, all]) => ({
      labels: { state },
      value: all.length,
    }));
  });
  // The figures of one scrape come from one request to each leaf.
  let reading: Promise<LeafLink[]> | undefined;
  const links = () => {
    reading ??= Promise.all(leaves.map((leaf) => leaf.links()))
      .then((all) => all.flat())
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  measured(metrics, 'dinf_leaf_links', async () => (await links()).length);
  measured(metrics, 'dinf_leaf_round_trip_seconds', async () => {
    const all = await links();
    return all.length === 0
      ? undefined
      : Math.max(...all.map(({ roundTripMs }) => roundTripMs)) / 1_000;
  });
  const traffic = (pick: (link: LeafLink) => { in: number; out: number }) => async () => {
    const all = (await links()).map(pick);
    return (['in', 'out'] as const).map((direction) => ({
      labels: { direction },
      value: all.reduce((total, counts) => total + counts[direction], 0),
    }));
  };
  measured(
    metrics,
    'dinf_leaf_messages_total',
    traffic(({ messages }) => messages),
  );
  measured(
    metrics,
    'dinf_leaf_bytes_total',
    traffic(({ bytes }) => bytes),
  );
}
