import { randomToken, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import { Cells } from '#coordinator/cells/cells.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { counter } from '#observability';
import { CatalogReader } from './catalog-reader.ts';
import { cellEndpoints } from './cell-endpoints.ts';
import { CellState, GRACE_MS } from './cell-state.ts';
import { MachineHours } from './core/machine-hours.ts';
import { MachineDays } from './days/machine-days.ts';
import { subscribeToFacts } from './fact-subscriptions.ts';
import { Leadership } from './leadership.ts';
import { MachineMessages } from './machine-messages.ts';
import { measureRouter } from './metrics.ts';
import { PriceReader } from './price-reader.ts';
import { untilFleetIsKnown } from './standby.ts';
import { Switches } from './switches.ts';
import { startTimers } from './timers.ts';
import { TrustReader } from './trust-reader.ts';
import { wholeFleet } from './whole-fleet.ts';

const NAME_LENGTH = 12;

/**
 * Keeps the live fleet of its cell and answers where a job should go. Every router of the cell
 * receives all messages; only the holder of the cell's lease answers and publishes. A standby
 * learns from the same messages which providers are there, which jobs run, and which attempts
 * failed, so it can take over at any time.
 */
export async function startRouting(context: Context): Promise<Component> {
  const { bus, config, database, log, metrics, now } = context;
  const { cell, queueDepth } = config;
  const name = `router_${randomToken(NAME_LENGTH)}`;
  const clock = () => performance.now();
  const isLeading = (): boolean => leadership.isLeading;

  await using stack = new AsyncDisposableStack();
  const cells = stack.use(new Cells(bus, clock));
  const state = stack.use(new CellState({ ...context, cells, name, clock, isLeading }));
  const { router, own, records } = state;
  const messages = stack.use(
    new MachineMessages({
      bus,
      log,
      now,
      clock,
      rejected: counter(metrics, 'dinf_routing_rejected_messages_total'),
      isOwn: (provider) => own.has(provider),
      onAnnouncement: (provider, announcement) => state.announced(provider, announcement),
      onCapacity: (provider, capacity) => state.capacityReported(provider, capacity),
    }),
  );
  const verdicts = stack.use(
    new TrustReader({ bus, log, onVerdict: (verdict) => state.judged(verdict) }),
  );
  const switches = stack.use(
    new Switches({
      bus,
      database,
      log,
      now,
      onRead: (wanted) => {
        router.switches = wanted;
      },
    }),
  );
  stack.use(
    new CatalogReader({
      bus,
      log,
      onModels: (models) => {
        router.desired.models = models;
      },
    }),
  );
  stack.use(new PriceReader({ bus, log, onPrices: (all) => router.prices.replace(all) }));
  stack.use(subscribeToFacts(bus, state));
  const hours = new MachineHours();
  const days = stack.use(
    new MachineDays({
      database,
      log,
      hours,
      now,
      isServed: (provider) => isLeading() && own.isFirst(provider),
    }),
  );
  stack.use(startTimers({ bus, state, messages, clock, isLeading, now, hours }));
  measureRouter(metrics, { router, queueDepth, isLeading });
  const leadership = stack.use(
    new Leadership({
      bus,
      log,
      cell,
      name,
      now,
      clock,
      state,
      days,
      endpoints: [
        ...cellEndpoints({ cell, queueDepth, router, own, records, clock, isLeading, days }),
        endpoint(services.routing.switches, () => switches.read()),
        endpoint(services.routing.setSwitch, ({ name: part, isOn }) => switches.set(part, isOn)),
        ...wholeFleet({ bus, cells, database }),
      ],
    }),
  );

  // Before another router leads and reads them.
  stack.defer(() => days.writeAll());

  await leadership.decidedOrTimedOut;
  await verdicts.firstRead;
  await switches.firstRead;
  await leadership.served();
  if (!leadership.isLeading)
    await untilFleetIsKnown({
      bus,
      cell,
      isKnown: (provider) => state.isKnown(provider),
      isLeading,
      timeoutMs: GRACE_MS,
    });
  // The start is complete when the hub has received the subscriptions. A hello that arrived earlier
  // would be missed until the next beat.
  await bus.connection.flush();
  const running = stack.move();
  return { name: 'routing', [Symbol.asyncDispose]: () => running.disposeAsync() };
}
