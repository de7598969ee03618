import { inCell, type MessageOf, type ServiceMethod, services } from '#bus-schemas';
import { type Bus, BusError, type Endpoint, endpoint } from '#coordinator/bus.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import { MAX_EXPLAINED, MAX_LISTED } from './views.ts';

type Capacity = MessageOf<typeof services.routing.capacity.reply>;
type Explained = MessageOf<typeof services.routing.explain.reply>;
type Row = Capacity['builds'][number];

const CELL_TIMEOUT_MS = 2_000;

/**
 * Endpoints for the whole fleet: the router that gets the request asks the leading router of every
 * cell, and combines the answers.
 */
export function wholeFleet(bus: Bus, cells: Cells): Endpoint[] {
  const every = <Request, Reply>(method: ServiceMethod<Request, Reply>, request: Request) =>
    askEvery(bus, cells, method, request);
  const { capacity, explain, fleet } = services.routing;
  return [
    endpoint(capacity, async (request) => capacityOf(await every(capacity, request))),
    endpoint(explain, async (request) => explanationOf(await every(explain, request))),
    endpoint(fleet, async (request) => ({
      providers: (await every(fleet, request))
        .flatMap(({ providers }) => providers)
        .slice(0, MAX_LISTED),
    })),
  ];
}

/** A cell that does not answer is left out: it could not serve a request either. */
async function askEvery<Request, Reply>(
  bus: Bus,
  cells: Cells,
  method: ServiceMethod<Request, Reply>,
  request: Request,
): Promise<Reply[]> {
  const replies = cells.digests().map(async ({ cell }) => {
    try {
      return [await bus.call(inCell(method, cell), request, { timeoutMs: CELL_TIMEOUT_MS })];
    } catch (error) {
      if (error instanceof BusError) return [];
      throw error;
    }
  });
  return (await Promise.all(replies)).flat();
}

function capacityOf(parts: readonly Capacity[]): Capacity {
  const rows = new Map<string, Row>();
  for (const row of parts.flatMap(({ builds }) => builds)) {
    const { build, ...figures } = rows.get(row.build) ?? {
      build: row.build,
      providers: 0,
      warm: 0,
      running: 0,
      freeSlots: 0,
      freeTokens: 0,
      decodeTps: 0,
    };
    for (const figure of Object.keys(figures) as (keyof typeof figures)[])
      figures[figure] += row[figure];
    rows.set(build, { build, ...figures });
  }
  return {
    builds: [...rows.values()].slice(0, MAX_LISTED),
    queued: sum(parts, 'queued'),
    queueDepth: sum(parts, 'queueDepth'),
  };
}

function explanationOf(parts: readonly Explained[]): Explained {
  const tally: Record<string, number> = {};
  for (const [gate, count] of parts.flatMap((part) => Object.entries(part.tally)))
    tally[gate] = (tally[gate] ?? 0) + count;
  return {
    slots: parts.flatMap(({ slots }) => slots).slice(0, MAX_EXPLAINED),
    tally,
    queued: sum(parts, 'queued'),
  };
}

function sum<Key extends string>(
  parts: readonly Readonly<Record<Key, number>>[],
  key: Key,
): number {
  return parts.reduce((total, part) => total + part[key], 0);
}
