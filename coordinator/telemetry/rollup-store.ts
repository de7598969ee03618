import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Generation, JobAttempt, JobEnded, Violation } from '#bus-schemas';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { addGenerations, findGeneration } from './generations.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['add-generations', 'add-violations', 'advance-cursor', 'cursor', 'forget', 'generation']);

export type Fact =
  | { readonly kind: 'ended'; readonly value: JobEnded }
  | { readonly kind: 'attempt'; readonly value: JobAttempt }
  | { readonly kind: 'violation'; readonly value: Violation };

export interface NumberedFact {
  readonly sequence: number;
  readonly fact: Fact;
}

/** Adds facts of one stream to the counts. Those up to the stream's cursor are in already. */
export function addFacts(database: Pool, stream: string, facts: readonly NumberedFact[]): Promise<void> {
  return transaction(database, async (client) => {
    const [cursor] = await query<{ sequence: string }>(client, sql.cursor, [stream]);
    const fresh = facts.filter(({ sequence }) => sequence > Number(cursor?.sequence ?? 0));
    if (fresh.length === 0) return;
    const ended = fresh.flatMap(({ fact }) => (fact.kind === 'ended' ? [fact.value] : []));
    await addGenerations(client, sql['add-generations'], ended);
    const violations = fresh.flatMap(({ fact }) => (fact.kind === 'violation' ? [fact.value] : []));
    await query(client, sql['add-violations'], [
      violations.map(({ at }) => at),
      violations.map(({ provider }) => provider),
      violations.map(({ violation }) => violation),
    ]);
    await query(client, sql['advance-cursor'], [stream, Math.max(...fresh.map(({ sequence }) => sequence))]);
  });
}

export async function forgetOld(database: Pool): Promise<void> {
  await query(database, sql.forget);
}

export function generationOf(database: Pool, of: { account: string; job: string }): Promise<Generation | undefined> {
  return findGeneration(database, sql.generation, of);
}
