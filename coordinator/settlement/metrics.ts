import type { Pool, QueryResultRow } from 'pg';
import type { Registry } from 'prom-client';
import type { Held, SettlementAlert, SettlementSettled } from '#bus-schemas';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import { type NamedStatement, namedStatement, queryNamed } from '#coordinator/statement.ts';
import { counter, measured } from '#observability';

const OPEN_HOLDS = namedStatement<{ open: number; heldMicroUsd: number; overdue: number }>(
  'settlement.open-holds',
)`
  SELECT count(*)::float8 AS open, coalesce(sum(held), 0)::float8 AS "heldMicroUsd",
    count(*) FILTER (WHERE expires_at < now() - interval '1 minute')::float8 AS overdue
  FROM holds`;

const UNPUBLISHED_FACTS = namedStatement<{ waiting: number; parked: number }>(
  'settlement.unpublished-facts',
)`
  SELECT count(*) FILTER (WHERE parked_at IS NULL)::float8 AS waiting,
    count(*) FILTER (WHERE parked_at IS NOT NULL)::float8 AS parked
  FROM settlement_outbox`;

/** The figures of one scrape come from one statement for each table. */
const SHARED_MS = 1_000;

export interface SettlementMetrics {
  /** Counts the answer to a hold, and returns it. */
  countHold(held: Held): Held;
  countSettled(facts: readonly SettlementSettled[]): void;
  countUnsigned(): void;
  countAlert(kind: SettlementAlert['alert']): void;
}

export function settlementMetrics(registry: Registry, database: Pool): SettlementMetrics {
  const holds = counter(registry, 'dinf_settlement_holds_total');
  const ends = counter(registry, 'dinf_settlement_ended_total');
  const charged = counter(registry, 'dinf_settlement_charged_micro_usd_total');
  const unsigned = counter(registry, 'dinf_settlement_unsigned_total');
  const alerts = counter(registry, 'dinf_settlement_alerts_total');
  measureTables(registry, database);
  return {
    countUnsigned: () => unsigned.inc(),
    countAlert: (kind) => alerts.inc({ kind }),
    countHold(held) {
      holds.inc({ answer: held.ok ? 'held' : held.code });
      return held;
    },
    countSettled(facts) {
      for (const { outcome, chargedMicroUsd } of facts) {
        ends.inc({ outcome });
        charged.inc(chargedMicroUsd);
      }
    },
  };
}

function measureTables(registry: Registry, database: Pool): void {
  const first = <Row extends QueryResultRow>(statement: NamedStatement<Row, string>) => {
    const cache = new LoadingCache<Row | undefined>({
      load: async () => (await queryNamed(database, statement, {}))[0],
      ttlMs: SHARED_MS,
      maximum: 1,
      now: () => performance.now(),
    });
    return () => cache.get('');
  };
  const open = first(OPEN_HOLDS);
  measured(registry, 'dinf_settlement_holds_open', async () => (await open())?.open);
  measured(registry, 'dinf_settlement_held_micro_usd', async () => (await open())?.heldMicroUsd);
  measured(registry, 'dinf_settlement_holds_overdue', async () => (await open())?.overdue);
  const facts = first(UNPUBLISHED_FACTS);
  measured(registry, 'dinf_settlement_facts_waiting', async () => (await facts())?.waiting);
  measured(registry, 'dinf_settlement_facts_parked', async () => (await facts())?.parked);
}
