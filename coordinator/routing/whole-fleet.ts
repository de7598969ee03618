import type { Pool } from 'pg';
import {
  type DesiredBuild,
  inCell,
  type MessageOf,
  type ServiceMethod,
  services,
} from '#bus-schemas';
import { type Bus, BusError, type Endpoint, endpoint } from '#coordinator/bus.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import { readyHours } from './days/day-store.ts';
import { type Lifetime, readLifetimes } from './records/record-store.ts';
import { addUp, MAX_EXPLAINED, MAX_LISTED } from './views.ts';

type Capacity = MessageOf<typeof services.routing.capacity.reply>;
type Explained = MessageOf<typeof services.routing.explain.reply>;
type Records = MessageOf<typeof services.routing.records.reply>;
type Row = Capacity['builds'][number];

const CELL_TIMEOUT_MS = 2_000;
const { MAX_BREAKERS, MAX_DAY_HOURS, MAX_WANTED } = services;

export interface WholeFleetOptions {
  readonly bus: Bus;
  readonly cells: Cells;
  readonly database: Pool;
}

/**
 * Endpoints for the whole fleet: the router that gets the request asks the leading router of every
 * cell, and combines the answers.
 */
export function wholeFleet({ bus, cells, database }: WholeFleetOptions): Endpoint[] {
  const every = <Request, Reply>(method: ServiceMethod<Request, Reply>, request: Request) =>
    askEvery(bus, cells, method, request);
  const { breakers, capacity, census, day, explain, fleet, records, wanted } = services.routing;
  return [
    endpoint(capacity, async (request) => capacityOf(await every(capacity, request))),
    endpoint(explain, async (request) => explanationOf(await every(explain, request))),
    endpoint(census, async (request) => ({
      machines: addUp((await every(census, request)).flatMap(({ machines }) => machines)),
    })),
    endpoint(fleet, async (request) => ({
      providers: (await every(fleet, request))
        .flatMap(({ providers }) => providers)
        .slice(0, MAX_LISTED),
    })),
    endpoint(wanted, async (request) => ({
      builds: onceEach((await every(wanted, request)).flatMap(({ builds }) => builds)),
    })),
    endpoint(breakers, async (request) => ({
      breakers: (await every(breakers, request))
        .flatMap((reply) => reply.breakers)
        .slice(0, MAX_BREAKERS),
    })),
    endpoint(day, async (request) => ({
      // A machine that has changed its cell was seen by both.
      hours: (await every(day, request))
        .flatMap(({ hours }) => hours)
        .toSorted((one, other) => one.at - other.at)
        .slice(-MAX_DAY_HOURS),
    })),
    endpoint(services.routing.readyHours, ({ after = '' }) => readyHours(database, after)),
    endpoint(records, async (request) => {
      const [lifetimes, parts] = await Promise.all([
        readLifetimes(database, request.providers),
        every(records, request),
      ]);
      return { records: recordsFrom(request.providers, lifetimes, parts) };
    }),
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

/** Several cells may want the same build. */
const onceEach = (builds: readonly DesiredBuild[]): DesiredBuild[] =>
  [...new Map(builds.map((desired) => [desired.build, desired])).values()].slice(0, MAX_WANTED);

/** One entry for each machine of which anything is known, in the order of the request. */
function recordsFrom(
  providers: readonly string[],
  lifetimes: readonly Lifetime[],
  parts: readonly Records[],
): Records['records'] {
  const stored = new Map(lifetimes.map(({ provider, ...lifetime }) => [provider, lifetime]));
  const known = new Map(parts.flatMap(({ records }) => records.map((row) => [row.provider, row])));
  return providers
    .filter((provider) => stored.has(provider) || known.has(provider))
    .map((provider) => {
      const lifetime = stored.get(provider);
      return { provider, ...known.get(provider), ...(lifetime && { lifetime }) };
    });
}

function sum<Key extends string>(
  parts: readonly Readonly<Record<Key, number>>[],
  key: Key,
): number {
  return parts.reduce((total, part) => total + part[key], 0);
}
