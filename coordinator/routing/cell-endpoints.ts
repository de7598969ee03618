import { inCell, type Reserved, services } from '#bus-schemas';
import { type Endpoint, endpoint, NotResponsible } from '#coordinator/bus.ts';
import type { MachineHours } from './core/machine-hours.ts';
import type { Router } from './core/router.ts';
import type { OwnCell } from './own-cell.ts';
import type { MachineRecords } from './records/machine-records.ts';
import { capacityByBuild, censusOf, explainFleet, listFleet, recordsNow } from './views.ts';

export interface CellEndpointsOptions {
  readonly cell: number;
  readonly queueDepth: number;
  readonly router: Router;
  readonly own: OwnCell;
  readonly records: MachineRecords;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  readonly isLeading: () => boolean;
  /** Time in milliseconds since 1970. */
  readonly now: () => number;
  readonly hours: MachineHours;
}

/** The endpoints of one cell, which its leading router serves. */
export function cellEndpoints(options: CellEndpointsOptions): Endpoint[] {
  const { cell, queueDepth, router, own, records, clock, isLeading, now, hours } = options;
  return [
    endpoint(
      inCell(services.routing.reserve, cell),
      (request) =>
        new Promise<Reserved>((answer, fail) => {
          const askAgain = () => fail(new NotResponsible());
          if (isLeading())
            router.reserve({ request, requestedAt: clock(), answer, askAgain }, clock());
          else askAgain();
        }),
    ),
    endpoint(inCell(services.routing.capacity, cell), () => ({
      builds: capacityByBuild(router),
      queued: router.queued,
      queueDepth,
    })),
    endpoint(inCell(services.routing.explain, cell), (request) =>
      explainFleet(router, request, clock()),
    ),
    endpoint(inCell(services.routing.census, cell), () => ({ machines: censusOf(router) })),
    endpoint(inCell(services.routing.fleet, cell), () => ({ providers: listFleet(router) })),
    endpoint(inCell(services.routing.wanted, cell), () => ({ builds: [...router.desired.wanted] })),
    endpoint(inCell(services.routing.drain, cell), ({ draining }) => {
      own.drain(draining);
      return { draining };
    }),
    endpoint(inCell(services.routing.day, cell), ({ provider }) => ({
      hours: hours.of(provider, now()),
    })),
    endpoint(inCell(services.routing.records, cell), ({ providers }) => ({
      records: recordsNow(router, providers, {
        now: clock(),
        restoredAgeMs: (provider) => records.restoredAgeMs(provider),
      }),
    })),
  ];
}
