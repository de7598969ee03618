import { inCell, type Reserved, services } from '#bus-schemas';
import { type Endpoint, endpoint, NotResponsible } from '#coordinator/bus.ts';
import type { Router } from './core/router.ts';
import type { MachineDays } from './days/machine-days.ts';
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
  readonly days: MachineDays;
}

/** The endpoints of one cell, which its leading router serves. */
export function cellEndpoints(options: CellEndpointsOptions): Endpoint[] {
  const { cell, queueDepth, router, own, records, clock, isLeading, days } = options;
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
    endpoint(inCell(services.routing.breakers, cell), () => ({
      breakers: router.faults.open(clock()).slice(0, services.MAX_BREAKERS),
    })),
    endpoint(inCell(services.routing.day, cell), async ({ provider }) => ({
      hours: await days.of(provider),
    })),
    endpoint(inCell(services.routing.records, cell), ({ providers }) => ({
      records: recordsNow(router, providers, {
        now: clock(),
        restoredAgeMs: (provider) => records.restoredAgeMs(provider),
      }),
    })),
  ];
}
