import { type BookEntry, Customers } from './customers.ts';
import { drawFaults, planFaults, type WorldFault } from './faults.ts';
import { HEALED_WITHIN_MS, invariants, type PaidJob } from './invariants.ts';
import { INGRESS_PORT, MODEL, WorldNetwork } from './network.ts';
import { SeededNumbers } from './virtual/seeded-numbers.ts';
import type { World } from './world.ts';

/** The life of a world after its start, in milliseconds: load, faults, healing, last requests. */
const WARM_MS = 5_000;
const FAULTS_MS = 40_000;
const LOAD_MS = 50_000;
const LAST_REQUESTS_MS = 3_000;
/** Holds of jobs of which nobody tells an end are released by then. */
const SETTLED_MS = 60_000;
const CREDIT_MICRO_USD = 100_000_000;
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 900;
const MOST_TOKENS = 60;

/** The result of one world. */
export interface Life {
  readonly seed: number;
  readonly faults: readonly WorldFault[];
  readonly violations: readonly { readonly invariant: string; readonly text: string }[];
  readonly requests: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly virtualMs: number;
  /** Equal for two runs of the same world. */
  readonly fingerprint: string;
}

/** Runs one world: customers ask, things fail and heal, and every invariant is checked. */
export async function live(world: World, given?: readonly WorldFault[]): Promise<Life> {
  await using network = await WorldNetwork.start(world);
  const { time } = world;
  const wishes = new SeededNumbers(world.seed, 'customers');
  const { apiKey } = await time.runWhile(network.customer('customer', CREDIT_MICRO_USD));
  const begin = time.now;
  const customers = new Customers(world);
  // Numbers of their own: otherwise every change of the start would change the faults of a seed.
  const faults =
    given ??
    drawFaults(
      new SeededNumbers(world.seed, 'faults'),
      {
        processes: network.processes.map(({ name }) => name),
        machines: network.machines.map(({ name }) => name),
      },
      { from: WARM_MS, to: WARM_MS + FAULTS_MS },
    );
  planFaults(world, network, faults);
  const healedAt = begin + Math.max(LOAD_MS, ...faults.map(({ at, forMs }) => at + forMs));
  const end = healedAt + HEALED_WITHIN_MS + LAST_REQUESTS_MS;
  const ask = (): void => {
    if (time.now >= end) return;
    const ingress = network.ingresses[wishes.integer(network.ingresses.length)] ?? '';
    customers.ask(
      { ingress, port: INGRESS_PORT, apiKey, model: MODEL },
      1 + wishes.integer(MOST_TOKENS),
    );
    time.plan(wishes.between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS), ask, undefined);
  };
  time.plan(0, ask, undefined);
  await time.runUntil(end);
  await time.runUntil(end + SETTLED_MS);
  const ended = {
    world,
    network,
    faults,
    book: customers.book,
    begin,
    healedAt,
    charges: await chargesOf(world),
    generations: await jobsIn(world, 'SELECT job FROM generations'),
    openHolds: await jobsIn(world, 'SELECT job FROM holds WHERE ended IS NULL'),
    overdueHolds: await countOverdueHolds(world),
  };
  const violations = [];
  for (const { name, broken } of invariants)
    for (const text of await time.runWhile(Promise.resolve(broken(ended))))
      violations.push({ invariant: name, text });
  return {
    seed: world.seed,
    faults,
    violations,
    requests: customers.book.length,
    outcomes: countOutcomes(customers.book),
    virtualMs: Math.round(time.now),
    fingerprint: world.fingerprint(),
  };
}

async function chargesOf({ database }: World): Promise<ReadonlyMap<string, PaidJob>> {
  const { rows } = await database.query<PaidJob>(
    'SELECT job, outcome, completion_tokens::int AS tokens, charged::int FROM charges',
  );
  return new Map(rows.map((row) => [row.job, row]));
}

async function jobsIn({ database }: World, query: string): Promise<ReadonlySet<string>> {
  const { rows } = await database.query<{ job: string }>(query);
  return new Set(rows.map(({ job }) => job));
}

/** The holds that settlement should have released a sweep ago. */
async function countOverdueHolds({ database }: World): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    "SELECT count(*)::int FROM holds WHERE ended IS NULL AND expires_at < now() - interval '30 seconds'",
  );
  return rows[0]?.count ?? 0;
}

function countOutcomes(book: readonly BookEntry[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome = 'none' } of book) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
