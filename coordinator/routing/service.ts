import {
  type Announcement,
  core,
  events,
  JobAttempt,
  JobEnded,
  Load,
  RoutingFleet,
  RoutingLed,
  randomToken,
  SUITE_ID,
  services,
  TrustDisconnected,
  TrustRevoked,
} from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import { Cells } from '#coordinator/cells/cells.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { counter } from '#observability';
import { cellEndpoints } from './cell-endpoints.ts';
import type { FleetChange } from './core/fleet.ts';
import { Router } from './core/router.ts';
import { TrustedMachines } from './core/trusted-machines.ts';
import { DecisionReports } from './decision-reports.ts';
import { DemandSender } from './demand-sender.ts';
import { Lease } from './lease.ts';
import { MachineMessages } from './machine-messages.ts';
import { measureRouter } from './metrics.ts';
import { OwnCell } from './own-cell.ts';
import { PriceReader } from './price-reader.ts';
import { MachineRecords } from './records/machine-records.ts';
import { untilFleetIsKnown } from './standby.ts';
import { Switches } from './switches.ts';
import { TrustReader } from './trust-reader.ts';
import { wholeFleet } from './whole-fleet.ts';

const GRACE_MS = 6_000;
const TICK_MS = 100;
const SWEEP_MS = 1_000;
const FORGET_AFTER_TIMEOUTS = 20;
const RESERVATION_MARGIN_MS = 60_000;
const NAME_LENGTH = 12;

/**
 * Keeps the live fleet of its cell and answers where a job should go. Every router of the cell
 * receives all messages; only the holder of the cell's lease answers and publishes. A standby
 * learns from the same messages which providers are there, which jobs run, and which attempts
 * failed, so it can take over at any time.
 */
export async function startRouting(context: Context): Promise<Component> {
  const { bus, config, database, log, metrics, now } = context;
  const { cell } = config;
  const name = `router_${randomToken(NAME_LENGTH)}`;
  const clock = () => performance.now();
  const trusted = new TrustedMachines();

  const decisions = counter(metrics, 'dinf_routing_decisions_total');
  const reports = new DecisionReports({ bus, now, clock });
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: config.queueDepth,
    minimumTrust: config.minimumTrust,
    graceMs: GRACE_MS,
    startedAt: clock(),
    random: Math.random,
    onObserved: (provider, counts) => {
      if (router.fleet.provider(provider) !== undefined) records.observe(provider, counts);
    },
    onDecision: (pending, choice, outcome) => {
      decisions.inc({ outcome });
      reports.report(pending, choice, outcome);
    },
  });

  const cells = new Cells(bus, clock);
  const own = new OwnCell({ bus, cells, cell, router, isLeading: () => lease.isHeld });
  const records = new MachineRecords({
    database,
    log,
    metrics,
    clock,
    writer: name,
    isServed: (provider) => lease.isHeld && own.isFirst(provider),
    memoryOf: (provider) => router.memoryOf(provider, clock()),
    restore: (provider, memory, stored) => router.restore(provider, memory, stored),
  });

  const reportChange = (provider: string, change: FleetChange | undefined) => {
    if (change === undefined || !lease.isHeld) return;
    log.info({ provider, change }, 'a provider changed its state in the fleet');
    bus.emit(
      events.routingFleet,
      RoutingFleet,
      { provider, at: now(), change },
      `fleet:${provider}:${change}:${now()}`,
    );
  };

  // Many slots become free at the same time; one drain of the queue serves them all.
  let draining: NodeJS.Immediate | undefined;
  const drainSoon = () => {
    if (router.queued === 0) return;
    draining ??= setImmediate(() => {
      draining = undefined;
      router.drain(clock());
    });
  };

  const join = (provider: string, announcement: Announcement) => {
    // The verdict may have changed while the record was read.
    if (!trusted.admits(provider, announcement, now())) return;
    const verified = trusted.verifiedOf(provider);
    reportChange(provider, router.fleet.announce(provider, announcement, clock(), verified));
    drainSoon();
  };
  const messages = new MachineMessages({
    bus,
    log,
    now,
    clock,
    rejected: counter(metrics, 'dinf_routing_rejected_messages_total'),
    isOwn: (provider) => own.has(provider),
    onAnnouncement: (provider, announcement) => {
      if (!trusted.admits(provider, announcement, now())) return;
      records.whenRead(provider, () => join(provider, announcement));
    },
    onCapacity: (provider, capacity) => {
      const change = router.fleet.report(provider, capacity, clock());
      if (change !== 'reported') reportChange(provider, change);
      drainSoon();
    },
  });
  const onDisconnected = ({ provider }: { provider: string }) => {
    records.left(provider);
    reportChange(provider, router.fleet.lost(provider));
  };
  const verdicts = new TrustReader({
    bus,
    log,
    onVerdict: (verdict) => {
      const { provider } = verdict;
      if (!trusted.record(verdict)) return;
      if (trusted.isGood(provider, now()))
        router.fleet.setVerified(provider, trusted.verifiedOf(provider));
      else reportChange(provider, router.fleet.remove(provider));
      drainSoon();
    },
  });
  const switches = new Switches({
    bus,
    database,
    log,
    now,
    onRead: (wanted) => {
      router.switches = wanted;
    },
  });
  const prices = new PriceReader({ bus, log, onPrices: (all) => router.prices.replace(all) });
  const subscriptions = [
    bus.subscribe({
      subject: events.trustDisconnected,
      kind: TrustDisconnected,
      handle: onDisconnected,
    }),
    bus.subscribe({
      subject: events.trustRevoked,
      kind: TrustRevoked,
      handle: ({ provider }) => reportChange(provider, router.fleet.ban(provider, clock())),
    }),
    bus.subscribe({
      subject: events.jobAttempt,
      kind: JobAttempt,
      handle: (attempt) => {
        router.attemptFailed(attempt, clock());
        drainSoon();
      },
    }),
    bus.subscribe({
      subject: events.jobEnded,
      kind: JobEnded,
      handle: (end) => {
        router.jobEnded(end, clock());
        drainSoon();
      },
    }),
  ];

  const demand = new DemandSender({ bus, router, clock, isLeading: () => lease.isHeld });
  const tick = setInterval(() => {
    demand.tick();
    if (clock() >= router.nextDeadline) router.drain(clock());
  }, TICK_MS);
  const sweep = setInterval(() => {
    reports.refill();
    const silentMs = config.beatTimeoutMs;
    for (const provider of router.fleet.sweep(clock(), {
      silentMs,
      forgetMs: silentMs * FORGET_AFTER_TIMEOUTS,
    }))
      reportChange(provider, 'silent');
    router.reservations.expire(clock() - config.jobTimeoutMs - RESERVATION_MARGIN_MS);
    router.sweep(clock(), (provider) => records.isUnwritten(provider));
    records.sweep((provider) => router.fleet.provider(provider) !== undefined);
    messages.sweep();
    for (const { id } of router.fleet.all()) router.fleet.setFlooding(id, messages.isFlooding(id));
    for (const { id } of router.fleet.all())
      if (!trusted.isGood(id, now())) reportChange(id, router.fleet.remove(id));
    own.sweep(clock());
    if (lease.isHeld)
      for (const { provider, build } of router.loadOrders(clock()))
        bus.publish(core.down(provider, 'load'), Load, { build });
    drainSoon();
  }, SWEEP_MS);
  measureRouter(metrics, {
    router,
    queueDepth: config.queueDepth,
    isLeading: () => lease.isHeld,
  });
  const endpoints = [
    ...cellEndpoints({
      cell,
      queueDepth: config.queueDepth,
      router,
      own,
      records,
      clock,
      isLeading: () => lease.isHeld,
    }),
    endpoint(services.routing.switches, () => switches.read()),
    endpoint(services.routing.setSwitch, ({ name: part, isOn }) => switches.set(part, isOn)),
    ...wholeFleet({ bus, cells, database }),
  ];
  let serving: Promise<AsyncDisposable> | undefined;
  const lease = new Lease({
    bus,
    name: `routing-${cell}`,
    holder: name,
    clock,
    onGained: (epoch) => {
      log.info(
        { router: name, cell, epoch, providers: router.fleet.size },
        'this router has the lease and leads its cell',
      );
      records.readAgain();
      serving = bus.serve('routing', endpoints);
      void serving.then(() => {
        bus.emit(
          events.routingLed,
          RoutingLed,
          { router: name, at: now(), epoch, cell },
          `led:${name}:${epoch}`,
        );
        own.publishDigest();
      });
    },
    onLost: () => {
      log.info({ router: name }, 'this router has lost the lease and no longer leads its cell');
      void serving?.then((served) => served[Symbol.asyncDispose]());
      router.standDown();
      void records.flush();
    },
  });
  await lease.decidedOrTimedOut;
  await verdicts.firstRead;
  await switches.firstRead;
  await serving;
  if (!lease.isHeld)
    await untilFleetIsKnown({
      bus,
      cell,
      isKnown: (provider) => router.fleet.provider(provider) !== undefined,
      isLeading: () => lease.isHeld,
      timeoutMs: GRACE_MS,
    });
  // The start is complete when the hub has received the subscriptions. A hello that arrived earlier
  // would be missed until the next beat.
  await bus.connection.flush();
  const stop = async (): Promise<void> => {
    // The router that takes over reads the records as soon as the lease is free.
    await records.flush();
    await lease[Symbol.asyncDispose]();
    await records[Symbol.asyncDispose]();
    verdicts[Symbol.dispose]();
    prices[Symbol.dispose]();
    switches[Symbol.dispose]();
    messages[Symbol.dispose]();
    for (const subscription of subscriptions) subscription.unsubscribe();
    clearInterval(tick);
    clearInterval(sweep);
    clearImmediate(draining);
    own[Symbol.dispose]();
    cells[Symbol.dispose]();
  };
  return { name: 'routing', [Symbol.asyncDispose]: stop };
}
