import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { CodecError } from '#bus-schemas';
import { counter } from '#observability';
import type { BusErrorCode, BusReport } from './bus.ts';

/**
 * Minimum time between two log lines for one method, in milliseconds. While the database is
 * unreachable every request fails, and a line for each would fill the disk.
 */
const QUIET_MS = 1_000;
/** Each start of an ingress has a new id, and each value of a label is kept by Prometheus. */
const INGRESS_ID = /\bin_\w+/;

/**
 * Logs and counts failures of handlers and calls, by method or subject. The number of both is
 * limited, because all of them are constants of the program.
 */
export function reportBus({
  log,
  metrics,
  clock,
}: {
  log: Logger;
  metrics: Registry;
  clock: () => number;
}): BusReport {
  const handlers = counter(metrics, 'dinf_bus_handler_failures_total');
  const calls = counter(metrics, 'dinf_bus_failed_calls_total');
  const quiet = new Map<string, { until: number; unlogged: number }>();
  return {
    handlerFailed(method, error) {
      handlers.inc({ method: method.replace(INGRESS_ID, '*') });
      const last = quiet.get(method);
      if (last !== undefined && clock() < last.until) {
        last.unlogged += 1;
        return;
      }
      quiet.set(method, { until: clock() + QUIET_MS, unlogged: 0 });
      const facts = { method, err: error, unlogged: last?.unlogged ?? 0 };
      if (error instanceof CodecError) log.warn(facts, 'a message on the bus could not be decoded');
      else log.error(facts, 'a handler of a message on the bus failed');
    },
    callFailed(method: string, code: BusErrorCode) {
      calls.inc({ method, code });
    },
  };
}
