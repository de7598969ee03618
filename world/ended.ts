import { events, JobEnded, type MessageKind, SettlementSettled } from '#bus-schemas';
import type { WorldNetwork } from './network.ts';
import type { Ended, PaidJob } from './rules/rule.ts';
import type { World } from './world.ts';

/** Reads what the database and the hub of a world know when it has ended. */
export async function endedOf(
  known: Pick<Ended, 'world' | 'network' | 'faults' | 'book' | 'begin' | 'healedAt'>,
): Promise<Ended> {
  const { world, network } = known;
  return {
    ...known,
    charges: await chargesOf(world),
    generations: await jobsIn(world, 'SELECT job FROM generations'),
    endedFacts: factsOf(world, events.jobEnded, JobEnded),
    settledFacts: factsOf(world, events.settlementSettled, SettlementSettled),
    machinesOf: machinesOf(network),
    countedJobs: await countIn(
      world,
      'SELECT coalesce(sum(jobs), 0)::int AS count FROM hourly_stats',
    ),
    openHolds: await jobsIn(world, 'SELECT job FROM holds WHERE ended IS NULL'),
    // Settlement should have released them a sweep ago.
    overdueHolds: await countIn(
      world,
      "SELECT count(*)::int FROM holds WHERE ended IS NULL AND expires_at < now() - interval '30 seconds'",
    ),
  };
}

async function chargesOf({ database }: World): Promise<ReadonlyMap<string, PaidJob>> {
  const { rows } = await database.query<PaidJob>(
    'SELECT job, outcome, completion_tokens::int AS tokens, charged::int FROM charges',
  );
  return new Map(rows.map((row) => [row.job, row]));
}

/** Counts the facts about each job in the streams of the hub. */
function factsOf(
  { hubDisk }: World,
  wanted: string,
  kind: MessageKind<{ job: string }>,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { messages } of hubDisk.streams.values())
    for (const { subject, payload } of messages.values()) {
      if (subject !== wanted) continue;
      const { job } = kind.decode(payload);
      counts.set(job, (counts.get(job) ?? 0) + 1);
    }
  return counts;
}

/** The names of the machines that each job was ordered from. */
function machinesOf({ machines, watch }: WorldNetwork): ReadonlyMap<string, readonly string[]> {
  const names = new Map(machines.map(({ name, enrolment }) => [enrolment.provider, name]));
  return new Map(
    [...watch.orders].map(([job, providers]) => [
      job,
      [...providers].map((provider) => names.get(provider) ?? ''),
    ]),
  );
}

async function jobsIn({ database }: World, query: string): Promise<ReadonlySet<string>> {
  const { rows } = await database.query<{ job: string }>(query);
  return new Set(rows.map(({ job }) => job));
}

async function countIn({ database }: World, query: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(query);
  return rows[0]?.count ?? 0;
}
