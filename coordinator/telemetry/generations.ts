import type { ClientBase, Pool } from 'pg';
import type { Finish, Generation, JobEnded, JobResult, TrustLevel } from '#bus-schemas';
import { query, type Statement } from '#coordinator/sql.ts';

/** Single jobs: kept for ninety days, for the account that paid. */
export async function addGenerations(client: ClientBase, statement: Statement, ended: readonly JobEnded[]): Promise<void> {
  const column = <T>(pick: (job: JobEnded) => T) => ended.map(pick);
  await query(client, statement, [
    ...[column(({ job }) => job), column(({ at }) => at), column(({ account }) => account), column(({ key }) => key), column(({ model }) => model)],
    ...[column(({ build }) => build), column(({ provider }) => provider ?? null), column(({ result }) => result), column(({ finish }) => finish ?? null)],
    ...[column(({ streamed }) => streamed), column(({ attempts }) => attempts), column(({ deliveredTokens }) => deliveredTokens)],
    ...[column(({ timing }) => timing.firstContentUs ?? null), column(({ timing }) => timing.totalUs)],
    column(({ trustLevel }) => trustLevel ?? null),
  ]);
}

interface Row {
  readonly job: string;
  readonly at: Date;
  readonly key: string;
  readonly model: string;
  readonly build: string;
  readonly provider: string | null;
  readonly result: JobResult;
  readonly finish: Finish | null;
  readonly streamed: boolean;
  readonly attempts: number;
  readonly deliveredTokens: string;
  readonly firstContentUs: string | null;
  readonly totalUs: string;
  readonly trustLevel: TrustLevel | null;
}

export async function findGeneration(
  database: Pool,
  statement: Statement,
  { account, job }: { account: string; job: string },
): Promise<Generation | undefined> {
  const [row] = await query<Row>(database, statement, [job, account]);
  if (row === undefined) return undefined;
  const { at, provider, finish, deliveredTokens, firstContentUs, totalUs, trustLevel, ...rest } = row;
  return {
    ...rest,
    ...{ at: at.getTime(), deliveredTokens: Number(deliveredTokens), totalUs: Number(totalUs) },
    ...(provider !== null && { provider }),
    ...(finish !== null && { finish }),
    ...(trustLevel !== null && { trustLevel }),
    ...(firstContentUs !== null && { firstContentUs: Number(firstContentUs) }),
  };
}
