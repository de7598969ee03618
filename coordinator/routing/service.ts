import {
  type Announcement,
  Beat,
  Capacity,
  core,
  events,
  Hello,
  inCell,
  JobAttempt,
  JobEnded,
  Load,
  type MessageKind,
  providerOf,
  type Reserved,
  RoutingDecision,
  RoutingFleet,
  RoutingLed,
  randomToken,
  SUITE_ID,
  services,
  TrustDisconnected,
  TrustRevoked,
  Violation,
} from '#bus-schemas';
import { endpoint, NotResponsible } from '#coordinator/bus.ts';
import { Cells } from '#coordinator/cells/cells.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { counter } from '#observability';
import type { FleetChange } from './core/fleet.ts';
import { type LimitedMessage, MessageRates } from './core/message-rates.ts';
import { Router } from './core/router.ts';
import { TrustedMachines } from './core/trusted-machines.ts';
import { Lease } from './lease.ts';
import { measureRouter } from './metrics.ts';
import { OwnCell } from './own-cell.ts';
import { PriceReader } from './price-reader.ts';
import { MachineRecords } from './records/machine-records.ts';
import { untilFleetIsKnown } from './standby.ts';
import { Switches } from './switches.ts';
import { TrustReader } from './trust-reader.ts';
import {
  capacityByBuild,
  censusOf,
  describeDecision,
  explainFleet,
  listFleet,
  recordsNow,
} from './views.ts';
import { wholeFleet } from './whole-fleet.ts';

const GRACE_MS = 6_000;
const TICK_MS = 100;
const SWEEP_MS = 1_000;
const FORGET_AFTER_TIMEOUTS = 20;
/**
 * Decisions are published for people to read. This many per second are enough; more would cost more
 * time than the decisions themselves.
 */
const MAX_DECISIONS_PER_SECOND = 20;
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
  let decisionsLeft = MAX_DECISIONS_PER_SECOND;

  const decisions = counter(metrics, 'dinf_routing_decisions_total');
  const rejectedMessages = counter(metrics, 'dinf_routing_rejected_messages_total');

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
      if (decisionsLeft <= 0) return;
      decisionsLeft -= 1;
      bus.emit(
        events.routingDecision,
        RoutingDecision,
        describeDecision(pending, choice, {
          outcome,
          at: now(),
          queuedMs: clock() - pending.requestedAt,
        }),
        `decision:${pending.request.job}:${pending.request.exclude.length}:${outcome}`,
      );
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

  const onInvalid = (_error: Error, subject: string) => {
    const provider = providerOf(subject);
    bus.emit(
      events.telemetryViolation,
      Violation,
      { provider, at: now(), violation: 'malformed_message' },
      `violation:${provider}:${Math.floor(now() / SWEEP_MS)}`,
    );
  };
  const rates = new MessageRates();
  /**
   * Checks before decoding that the machine belongs to this cell and has not exceeded its message
   * limits.
   */
  const isRead = (kind: LimitedMessage) => (subject: string, bytes: number) => {
    const provider = providerOf(subject);
    if (!own.has(provider)) return false;
    const admission = rates.admit(provider, { kind, bytes }, clock());
    if (admission === 'taken') return true;
    rejectedMessages.inc({ kind });
    if (admission === 'flood') {
      log.warn(
        { provider, kind, bytes },
        'a machine floods the router with messages; it gets no jobs until it has sent fewer for a minute',
      );
      const at = now();
      bus.emit(
        events.telemetryViolation,
        Violation,
        { provider, at, violation: 'flood' },
        `violation:flood:${provider}:${at}`,
      );
    }
    return false;
  };
  const announcements = (kind: MessageKind<Announcement>, type: 'hello' | 'beat') =>
    bus.subscribe({
      subject: core.everyUp(type),
      kind,
      wants: isRead('announcement'),
      onInvalid,
      handle: (announcement, subject) => {
        const provider = providerOf(subject);
        if (!trusted.admits(provider, announcement, now())) return;
        records.whenRead(provider, () => join(provider, announcement));
      },
    });
  const join = (provider: string, announcement: Announcement) => {
    // The verdict may have changed while the record was read.
    if (!trusted.admits(provider, announcement, now())) return;
    const verified = trusted.verifiedOf(provider);
    reportChange(provider, router.fleet.announce(provider, announcement, clock(), verified));
    drainSoon();
  };
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
    announcements(Hello, 'hello'),
    announcements(Beat, 'beat'),
    bus.subscribe({
      subject: core.everyUp('capacity'),
      kind: Capacity,
      wants: isRead('capacity'),
      onInvalid,
      handle: (capacity, subject) => {
        const change = router.fleet.report(providerOf(subject), capacity, clock());
        if (change !== 'reported') reportChange(providerOf(subject), change);
        drainSoon();
      },
    }),
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

  const tick = setInterval(() => {
    if (clock() >= router.nextDeadline) router.drain(clock());
  }, TICK_MS);
  const sweep = setInterval(() => {
    decisionsLeft = MAX_DECISIONS_PER_SECOND;
    const silentMs = config.beatTimeoutMs;
    for (const provider of router.fleet.sweep(clock(), {
      silentMs,
      forgetMs: silentMs * FORGET_AFTER_TIMEOUTS,
    }))
      reportChange(provider, 'silent');
    router.reservations.expire(clock() - config.jobTimeoutMs - RESERVATION_MARGIN_MS);
    router.sweep(clock(), (provider) => records.isUnwritten(provider));
    records.sweep((provider) => router.fleet.provider(provider) !== undefined);
    rates.sweep(clock());
    for (const { id } of router.fleet.all())
      router.fleet.setFlooding(id, rates.isFlooding(id, clock()));
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
    endpoint(
      inCell(services.routing.reserve, cell),
      (request) =>
        new Promise<Reserved>((answer, fail) => {
          const askAgain = () => fail(new NotResponsible());
          if (lease.isHeld)
            router.reserve({ request, requestedAt: clock(), answer, askAgain }, clock());
          else askAgain();
        }),
    ),
    endpoint(inCell(services.routing.capacity, cell), () => ({
      builds: capacityByBuild(router),
      queued: router.queued,
      queueDepth: config.queueDepth,
    })),
    endpoint(inCell(services.routing.explain, cell), (request) =>
      explainFleet(router, request, clock()),
    ),
    endpoint(inCell(services.routing.census, cell), () => ({ machines: censusOf(router) })),
    endpoint(inCell(services.routing.fleet, cell), () => ({ providers: listFleet(router) })),
    endpoint(inCell(services.routing.drain, cell), ({ draining }) => {
      own.drain(draining);
      return { draining };
    }),
    endpoint(inCell(services.routing.records, cell), ({ providers }) => ({
      records: recordsNow(router, providers, {
        now: clock(),
        restoredAgeMs: (provider) => records.restoredAgeMs(provider),
      }),
    })),
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
    for (const subscription of subscriptions) subscription.unsubscribe();
    clearInterval(tick);
    clearInterval(sweep);
    clearImmediate(draining);
    own[Symbol.dispose]();
    cells[Symbol.dispose]();
  };
  return { name: 'routing', [Symbol.asyncDispose]: stop };
}
