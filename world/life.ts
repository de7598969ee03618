import { type BookEntry, Customers, FORMER_CUSTOMER, POOR_CUSTOMER } from './customers.ts';
import { drawFaults } from './draw-faults.ts';
import { endedOf } from './ended.ts';
import { planFaults, type WorldFault } from './faults.ts';
import { INGRESS_PORT, MODEL, WorldNetwork } from './network.ts';
import { HEALED_WITHIN_MS } from './rules/answer-rules.ts';
import { rules } from './rules/rules.ts';
import { SeededNumbers } from './virtual/seeded-numbers.ts';
import type { World } from './world.ts';

/** The life of a world after its start, in milliseconds: load, faults, healing, last requests. */
const WARM_MS = 5_000;
const FAULTS_MS = 40_000;
const LOAD_MS = 50_000;
const LAST_REQUESTS_MS = 3_000;
/** Requests go on for this long after the last fault; then there is a pause until the last ones. */
const LOAD_AFTER_MS = 5_000;
/** Holds of jobs of which nobody tells an end are released by then. */
const SETTLED_MS = 60_000;
/** The customers with their credit, in micro-dollars. */
const CUSTOMERS = [
  ['the usual customer', 100_000_000],
  [FORMER_CUSTOMER, 100_000_000],
  [POOR_CUSTOMER, 8],
] as const;
/** Share of the requests whose customer is any of these; all others are of the first one. */
const OTHER_CUSTOMERS_SHARE = 0.4;
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_850;
const MOST_TOKENS = 60;
/** Share of the customers who leave before their answer has ended. */
const LEAVING_SHARE = 0.1;

/** The result of one world. */
export interface Life {
  readonly seed: number;
  readonly faults: readonly WorldFault[];
  readonly violations: readonly { readonly rule: string; readonly text: string }[];
  readonly requests: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly virtualMs: number;
  /** Equal for two runs of the same world. */
  readonly fingerprint: string;
}

/** Runs one world: customers ask, things fail and heal, and every rule is checked. */
export async function live(world: World, given?: readonly WorldFault[]): Promise<Life> {
  await using network = await WorldNetwork.start(world);
  const { time } = world;
  const wishes = new SeededNumbers(world.seed, 'customers');
  const keys: Record<string, string> = {};
  for (const [customer, credit] of CUSTOMERS) {
    const { apiKey } = await time.runWhile(network.customer(customer, credit));
    keys[customer] = apiKey;
  }
  const begin = time.now;
  const customers = new Customers(world);
  const faults =
    given ??
    drawFaults(
      world.seed,
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
    if (time.now >= healedAt + LOAD_AFTER_MS && time.now < healedAt + HEALED_WITHIN_MS)
      return void time.plan(healedAt + HEALED_WITHIN_MS - time.now, ask, undefined);
    const ingress = network.ingresses[wishes.integer(network.ingresses.length)] ?? '';
    const maxTokens = 1 + wishes.integer(MOST_TOKENS);
    const leavesAfter = wishes.chance(LEAVING_SHARE) ? 1 + wishes.integer(maxTokens) : undefined;
    const [customer] = wishes.chance(OTHER_CUSTOMERS_SHARE) ? wishes.one(CUSTOMERS) : CUSTOMERS[0];
    customers.ask(
      { customer, ingress, port: INGRESS_PORT, apiKey: keys[customer] ?? '', model: MODEL },
      { maxTokens, leavesAfter },
    );
    time.plan(wishes.between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS), ask, undefined);
  };
  time.plan(0, ask, undefined);
  await time.runUntil(end);
  await time.runUntil(end + SETTLED_MS);
  const ended = await endedOf({ world, network, faults, book: customers.book, begin, healedAt });
  const violations = [];
  for (const { name, broken } of rules)
    for (const text of await time.runWhile(Promise.resolve(broken(ended))))
      violations.push({ rule: name, text });
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

function countOutcomes(book: readonly BookEntry[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome = 'none' } of book) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
