import { cpus } from 'node:os';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { type JobEnded, newJobId, randomToken } from '#bus-schemas';
import { connectDatabase, migrate } from '#coordinator';
import { Batcher } from '#coordinator/batcher.ts';
import { Holds } from '#coordinator/settlement/jobs/holds.ts';
import { JobStore } from '#coordinator/settlement/jobs/job-store.ts';
import { OpenJobs } from '#coordinator/settlement/jobs/open-jobs.ts';
import { endOf, type JobEnd, Settler } from '#coordinator/settlement/jobs/settler.ts';
import { LedgerStore } from '#coordinator/settlement/ledger/ledger-store.ts';
import type { Quote } from '#coordinator/settlement/pricing/pricing.ts';
import { PricingStore } from '#coordinator/settlement/pricing/pricing-store.ts';
import { startPostgres } from '#testcontainers';
import { measureBus } from './ledger-over-the-bus.ts';
import { addPastJobs, timesOfUsage } from './past-jobs.ts';
import { show, spread } from './statistics.ts';

/**
 * Sizes of the benchmark of the ledger. A full settlement is a hold and its end: charge, payment,
 * fee, sums and outbox, committed to disk. All variants are interleaved in one run.
 */
const sizes = {
  full: {
    rounds: 5,
    jobs: 60_000,
    single: 2_000,
    past: 5_000_000,
    holds: 2_000,
    outageSeconds: 60,
  },
  smoke: { rounds: 2, jobs: 5_000, single: 300, past: 20_000, holds: 200, outageSeconds: 3 },
} as const;

const ACCOUNTS = 10_000;
const FUNDS = 1e11;
/** Keeps the ledger in memory and avoids checkpoints during a round; durability is unchanged. */
const SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB' };
const PROVIDERS = 100;
const MAX_BATCH = 256;
/** Number of concurrent jobs, enough to fill the batches. */
const IN_FLIGHT = 4_096;
const SINGLE_IN_FLIGHT = 8;
const MODEL = 'bench-model';
const PRICE = {
  inputPerMillion: 1_000_000,
  cacheReadPerMillion: 500_000,
  outputPerMillion: 2_000_000,
};
const say = (line = '') => console.log(line);

interface Bench {
  readonly settle: (account: string, provider: string) => Promise<void>;
}

export async function benchLedger(name: keyof typeof sizes): Promise<void> {
  const size = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}; Postgres on the same machine with fsync and ${SETTINGS.shared_buffers} of buffers. Median of the rounds (least–most).`,
  );
  {
    await using postgres = await startPostgres({ settings: SETTINGS });
    const url = await postgres.createDatabase('bench');
    await migrate(url);
    const database = connectDatabase(url, { max: 16 });
    // At the end, the server may stop before the pool has closed its connections.
    database.on('error', () => undefined);
    const accounts = Array.from({ length: ACCOUNTS }, () => `acct_${randomToken(16)}`);
    const providers = Array.from(
      { length: PROVIDERS },
      (_, index) => `A${String(index).padStart(55, 'P')}`,
    );
    await fill(database, accounts, providers);
    const store = new JobStore(database);
    const priceVersion = await new PricingStore(database).priceVersion(MODEL, PRICE);
    const batched = batchedBench(store, priceVersion);
    const single = singleBench(store, priceVersion);
    const everybody = (index: number) => accounts[(index * 7_919) % ACCOUNTS] as string;
    const one = () => accounts[0] as string;
    const providerOf = (index: number) => providers[index % PROVIDERS] as string;
    const rates = { everybody: [] as number[], one: [] as number[], single: [] as number[] };
    const batchedRate = (jobs: number, accountOf: (index: number) => string) =>
      rate(batched, { jobs, inFlight: IN_FLIGHT, accountOf, providerOf });
    await batchedRate(MAX_BATCH * 20, everybody);
    for (let round = 0; round < size.rounds; round += 1) {
      rates.everybody.push(await batchedRate(size.jobs, everybody));
      rates.one.push(await batchedRate(size.jobs, one));
      rates.single.push(
        await rate(single, {
          jobs: size.single,
          inFlight: SINGLE_IN_FLIGHT,
          accountOf: everybody,
          providerOf,
        }),
      );
    }
    say();
    say(`full settlements a second, ${ACCOUNTS} accounts    ${show(spread(rates.everybody), 0)}`);
    say(`                           one hot account     ${show(spread(rates.one), 0)}`);
    say(
      `                           one at a time       ${show(spread(rates.single), 0)}   (${SINGLE_IN_FLIGHT} at once, a statement and a commit each)`,
    );
    say(
      `batched against one at a time: ${show(spread(rates.everybody.map((each, round) => each / (rates.single[round] ?? 1))), 1)} times`,
    );
    const startedAt = performance.now();
    const { newEntries, driftedBalances } = await new LedgerStore(database, Date.now).verify(true);
    say(
      `the books proven from the first of ${newEntries} entries in ${Math.round(performance.now() - startedAt)} ms: ${driftedBalances} drifted`,
    );
    await addPastJobs(url, accounts, size.past);
    const afterPast: number[] = [];
    for (let round = 0; round < size.rounds; round += 1)
      afterPast.push(await batchedRate(size.jobs, everybody));
    say(`full settlements a second beside ${size.past} past jobs    ${show(spread(afterPast), 0)}`);
    for (const [page, ms] of await timesOfUsage(database, one(), size.past))
      say(`  ${page.padEnd(34)} ${show(spread(ms), 1)} ms`);
    await database.end();
  }
  await measureBus(size, say);
}

/**
 * Creates accounts with credit. The transactions follow the ledger's rules, so that the books
 * balance.
 */
async function fill(
  database: Pool,
  accounts: readonly string[],
  providers: readonly string[],
): Promise<void> {
  const ids = accounts.map((account) => `consumer:${account}`);
  await database.query(
    "INSERT INTO ledger_accounts (id, kind, balance) SELECT id, 'consumer', $2 FROM unnest($1::text[]) AS a(id)",
    [ids, FUNDS],
  );
  await database.query(
    "INSERT INTO ledger_accounts (id, kind) SELECT 'provider:' || id, 'provider' FROM unnest($1::text[]) AS p(id)",
    [providers],
  );
  await database.query("UPDATE ledger_accounts SET balance = $1 WHERE id = 'external:promotions'", [
    -FUNDS * ids.length,
  ]);
  await database.query(
    "INSERT INTO ledger_transactions (operation, kind, digest) VALUES ('fill', 'credit', '')",
  );
  await database.query(
    "INSERT INTO ledger_entries (operation, account, amount) SELECT 'fill', id, $2 FROM unnest($1::text[]) AS a(id)",
    [ids, FUNDS],
  );
  await database.query(
    "INSERT INTO ledger_entries (operation, account, amount) VALUES ('fill', 'external:promotions', $1)",
    [-FUNDS * ids.length],
  );
}

function quoteOf(priceVersion: string) {
  return async ({ provider }: { provider: string | undefined }): Promise<Quote> => ({
    price: PRICE,
    listed: PRICE,
    priceVersion,
    payee: `provider:${provider}`,
    terms: { feeBps: 500, minimum: 100, referrer: null },
  });
}

function endedJob(job: string, account: string, provider: string): JobEnd {
  const fact: JobEnded = {
    job,
    account,
    key: 'key_bench',
    ingress: 'in_000000000000',
    model: MODEL,
    build: 'b',
    provider,
    attempts: 1,
    at: Date.now(),
    result: 'completed',
    finish: 'stop',
    streamed: true,
    deliveredTokens: 200,
    promptBound: 1_000,
    usage: { promptTokens: 250, cachedTokens: 50, completionTokens: 200 },
    timing: { routeUs: 0, holdUs: 0, totalUs: 0 },
  };
  return endOf(fact);
}

const holdOf = (job: string, account: string, provider: string) => ({
  job,
  account,
  key: 'key_bench',
  model: MODEL,
  provider,
  promptBound: 1_000,
  outputBound: 500,
  expiresAt: Date.now() + 600_000,
});

const RECEIPTS_ARE_SIGNED = {
  signingKeys: { proofOf: async () => 'signed' as const },
  receiptGraceMs: 0,
  onWaiting: () => undefined,
};

/** Settles jobs in batches, as the component settlement does. */
function batchedBench(store: JobStore, priceVersion: string): Bench {
  const openJobs = new OpenJobs();
  const alerts = { raise: (alert: string, subject: string) => say(`${alert} ${subject}`) };
  const pricing = {
    quote: quoteOf(priceVersion),
    payeeOf: async (provider: string) => `provider:${provider}`,
  };
  const holds = new Holds({
    store,
    ledger: { owed: async () => 0 },
    keyCaps: { spending: async () => [] },
    pricing,
    openJobs,
    alerts,
    log: pino({ level: 'silent' }),
    now: Date.now,
  });
  const settler = new Settler({
    store,
    pricing,
    openJobs,
    alerts,
    ...RECEIPTS_ARE_SIGNED,
    now: Date.now,
    onSettled: () => undefined,
  });
  const run = async (ends: readonly JobEnd[]) => {
    await settler.settle(ends);
    return ends;
  };
  const ends = new Batcher<JobEnd, JobEnd>({ run, maximum: MAX_BATCH });
  return {
    settle: async (account, provider) => {
      const job = newJobId();
      const answer = await holds.hold(holdOf(job, account, provider));
      if (!answer.ok) throw new Error(answer.code);
      await ends.add(endedJob(job, account, provider));
    },
  };
}

/** Settles each job with statements and a commit of its own, for comparison. */
function singleBench(store: JobStore, priceVersion: string): Bench {
  const openJobs = new OpenJobs();
  const alerts = { raise: () => undefined };
  const pricing = {
    quote: quoteOf(priceVersion),
    payeeOf: async (provider: string) => `provider:${provider}`,
  };
  const settler = new Settler({
    store,
    pricing,
    openJobs,
    alerts,
    ...RECEIPTS_ARE_SIGNED,
    now: Date.now,
    onSettled: () => undefined,
  });
  return {
    settle: async (account, provider) => {
      const job = newJobId();
      const quote = await pricing.quote({ provider });
      const { promptBound, outputBound, key, model } = holdOf(job, account, provider);
      const hold = {
        ...quote,
        job,
        account,
        key,
        model,
        promptBound,
        outputBound,
        lifeMs: 600_000,
        providers: [provider],
        held: 2_000,
        revision: 1,
        isVoid: false,
      };
      const [answer] = await store.hold([{ ...hold, digest: Buffer.alloc(32) }], false);
      if (answer?.result !== 'held') throw new Error(answer?.result);
      openJobs.add([hold]);
      await settler.settle([endedJob(job, account, provider)]);
    },
  };
}

interface Work {
  readonly jobs: number;
  readonly inFlight: number;
  readonly accountOf: (index: number) => string;
  readonly providerOf: (index: number) => string;
}

async function rate(
  { settle }: Bench,
  { jobs, inFlight, accountOf, providerOf }: Work,
): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs) {
      const index = next++;
      await settle(accountOf(index), providerOf(index));
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, jobs) }, worker));
  return (jobs / (performance.now() - startedAt)) * 1_000;
}
