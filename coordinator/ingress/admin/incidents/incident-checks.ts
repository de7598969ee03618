import { type Hub, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import { missingComponents } from '#coordinator/running-versions.ts';
import { reportStreams } from '../stream-report.ts';
import type { IncidentAlert } from './incident-kinds.ts';
import type { IncidentFinding } from './incident-list.ts';

const CALL = { timeoutMs: 5_000 };
/** Facts that a reader may have waiting before it counts as behind. */
const MAX_WAITING = 5_000;
/** Time after which settlement raises the alert `payout_stuck`, in milliseconds. */
const STUCK_MS = 48 * 3_600_000;
const FULL_QUEUE = 0.8;

export interface CheckDeps {
  readonly bus: Bus;
  readonly cells: Pick<Cells, 'digests'>;
  readonly now: () => number;
}

export interface IncidentCheck {
  /** The alerts that the check finds. */
  readonly alerts: readonly IncidentAlert[];
  /** Throws an error if it cannot be told whether anything is wrong. */
  readonly run: (
    deps: CheckDeps,
  ) => Promise<readonly IncidentFinding[]> | readonly IncidentFinding[];
}

/** Each state that can be observed without a history. */
export const CHECKS: readonly IncidentCheck[] = [
  { alerts: ['DinfComponentMissing'], run: componentsMissing },
  { alerts: ['DinfStreamFails'], run: streamsFailing },
  { alerts: ['DinfFactsLost'], run: factsLost },
  { alerts: ['DinfConsumerBehind'], run: consumersBehind },
  { alerts: ['DinfFactsParked'], run: factsParked },
  { alerts: ['DinfPayoutStuck'], run: payoutsStuck },
  { alerts: ['DinfNoLeader', 'DinfNoMachines'], run: cellsEmpty },
  { alerts: ['DinfQueueFull'], run: queueFull },
  { alerts: ['DinfClockWrong'], run: clocksWrong },
];

async function componentsMissing({ bus }: CheckDeps): Promise<IncidentFinding[]> {
  const missing = await missingComponents(bus.connection);
  return missing.map((component) => ({
    alert: 'DinfComponentMissing',
    subject: component,
    values: { component },
  }));
}

function streamsFailing({ bus }: CheckDeps): IncidentFinding[] {
  return bus.failingStreams().map((failing) => ({
    alert: 'DinfStreamFails',
    subject: failing.stream,
    values: failing,
  }));
}

async function factsLost({ bus }: CheckDeps): Promise<IncidentFinding[]> {
  const { streams } = await bus.call(services.telemetry.losses, {}, CALL);
  return streams.map((loss) => ({
    alert: 'DinfFactsLost',
    subject: loss.stream,
    values: loss,
  }));
}

async function consumersBehind({ bus }: CheckDeps): Promise<IncidentFinding[]> {
  return (await reportStreams(bus)).flatMap(({ stream, readers }) =>
    readers
      .filter(({ waiting }) => waiting > MAX_WAITING)
      .map(({ reader, waiting }) => ({
        alert: 'DinfConsumerBehind' as const,
        subject: `${stream} ${reader}`,
        values: { stream, reader, waiting },
      })),
  );
}

async function factsParked({ bus }: CheckDeps): Promise<IncidentFinding[]> {
  const { rows } = await bus.call(services.settlement.parked, {}, CALL);
  const [first] = rows;
  if (first === undefined) return [];
  const values = { batches: rows.length, reason: first.reason };
  return [{ alert: 'DinfFactsParked', subject: '', values }];
}

async function payoutsStuck({ bus, now }: CheckDeps): Promise<IncidentFinding[]> {
  const { payouts } = await bus.call(services.settlement.openPayouts, {}, CALL);
  return payouts
    .filter(({ at }) => now() - at > STUCK_MS)
    .map(({ payout, account, state }) => ({
      alert: 'DinfPayoutStuck',
      subject: payout,
      values: { payout, account, state },
    }));
}

function cellsEmpty({ cells }: CheckDeps): IncidentFinding[] {
  const digests = cells.digests();
  if (digests.length === 0) return [{ alert: 'DinfNoLeader', subject: '', values: {} }];
  if (digests.some(({ providers }) => providers > 0)) return [];
  return [{ alert: 'DinfNoMachines', subject: '', values: {} }];
}

async function queueFull({ bus }: CheckDeps): Promise<IncidentFinding[]> {
  const { queued, queueDepth } = await bus.call(services.routing.capacity, {}, CALL);
  if (queued <= FULL_QUEUE * queueDepth) return [];
  return [{ alert: 'DinfQueueFull', subject: '', values: { queued, room: queueDepth } }];
}

async function clocksWrong({ bus }: CheckDeps): Promise<IncidentFinding[]> {
  const { problems, clocks = [] } = await bus.call(services.trust.clocks, {}, CALL);
  return problems.map((problem, index) => {
    const { clock, offsetMs } = clocks[index] ?? { clock: '', offsetMs: 0 };
    return {
      alert: 'DinfClockWrong',
      subject: clock || problem,
      values: { problem, clock, offsetMs },
    };
  });
}

/** The hubs that answered before and do not answer now. */
export const lostHubs = (known: Iterable<string>, hubs: readonly Hub[]): IncidentFinding[] =>
  [...known]
    .filter((name) => hubs.every((hub) => hub.name !== name))
    .map((name) => ({
      alert: 'DinfHubLost',
      subject: name,
      values: { hub: name },
    }));
