import type { Counter } from 'prom-client';
import { core, events, FaultReport, FaultsReported, providerOf } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { WindowCounts } from '#coordinator/window-counts.ts';

/** Reports that are read of each machine in a minute. An honest one sends one. */
const MOST_REPORTS = 3;
const WINDOW_MS = 60_000;
/** A report of all faults has about 250 bytes. */
const MOST_BYTES = 1_024;

export interface FaultReportsOptions {
  readonly bus: Bus;
  /** Counts the reports that were not read. */
  readonly rejected: Counter;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Receives what machines report of their faults, and publishes each report as a fact. A machine may
 * lie, so its reports count in statistics only; routing and trust do not read them.
 */
export function receiveFaultReports({ bus, rejected, now }: FaultReportsOptions): {
  unsubscribe(): void;
} {
  const received = new WindowCounts({ windowMs: WINDOW_MS, now });
  return bus.subscribe({
    subject: core.everyUp('faults'),
    kind: FaultReport,
    // One of several processes reads each report.
    queue: 'telemetry',
    wants: (subject, bytes) => {
      const isRead = bytes <= MOST_BYTES && received.add(providerOf(subject)) <= MOST_REPORTS;
      if (!isRead) rejected.inc();
      return isRead;
    },
    onInvalid: () => rejected.inc(),
    handle: ({ agentVersion, engine, faults }, subject) => {
      const [provider, at] = [providerOf(subject), now()];
      // Fields that the schema does not name, in which a machine could store a text, are left out.
      const counts = faults.map(({ fault, times }) => ({ fault, times }));
      const fact = { provider, at, agentVersion, engine, faults: counts };
      const id = `machine-faults:${provider}:${at}:${received.of(provider)}`;
      bus.emit(events.telemetryFaults, FaultsReported, fact, id);
    },
  });
}
