import { join } from 'node:path';
import type { Pool } from 'pg';
import { CatalogChanged, type CatalogModel, type CatalogSnapshot, events, type NewModel, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Config } from '#coordinator/config.ts';
import type { Context } from '#coordinator/context.ts';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['put-model', 'snapshot']);

/** What is on offer: models, the builds that serve them, and prices. */
export async function startCatalog({ bus, database, config, now }: Context): Promise<Component> {
  const face = await bus.serve('catalog', [
    endpoint(services.catalog.snapshot, () => snapshot(database, config.defaultPrice)),
    endpoint(services.catalog.putModel, async ({ model }) => {
      const revision = await putModel(database, model);
      bus.emit(events.catalogChanged, CatalogChanged, { revision, at: now() }, `catalog:${revision}`);
      return { revision };
    }),
  ]);
  return { name: 'catalog', [Symbol.asyncDispose]: () => face[Symbol.asyncDispose]() };
}

async function putModel(database: Pool, model: NewModel): Promise<number> {
  const { id, displayName, contextTokens, maxOutputTokens, builds } = model;
  const prices = [model.inputMicroUsdPerMillion ?? null, model.cacheReadMicroUsdPerMillion ?? null, model.outputMicroUsdPerMillion ?? null];
  const values = [id, displayName, contextTokens, maxOutputTokens, builds, ...prices];
  const [row] = await query<{ revision: string }>(database, sql['put-model'], values);
  return Number(row?.revision);
}

interface SnapshotRow {
  readonly revision: string;
  readonly id: string | null;
  readonly displayName: string;
  readonly contextTokens: string;
  readonly maxOutputTokens: string;
  readonly builds: string[];
  readonly inputPerMillion: string;
  readonly cacheReadPerMillion: string;
  readonly outputPerMillion: string;
  readonly createdAt: Date;
}

async function snapshot(database: Pool, { inputPerMillion, outputPerMillion }: Config['defaultPrice']): Promise<CatalogSnapshot> {
  const rows = await query<SnapshotRow>(database, sql.snapshot, [inputPerMillion, outputPerMillion]);
  const models = rows.flatMap(({ id, ...row }) => (id === null ? [] : [modelOf(id, row)]));
  return { revision: Number(rows[0]?.revision ?? 0), models };
}

function modelOf(id: string, row: Omit<SnapshotRow, 'id'>): CatalogModel {
  return {
    id,
    displayName: row.displayName,
    contextTokens: Number(row.contextTokens),
    maxOutputTokens: Number(row.maxOutputTokens),
    builds: row.builds,
    inputMicroUsdPerMillion: Number(row.inputPerMillion),
    cacheReadMicroUsdPerMillion: Number(row.cacheReadPerMillion),
    outputMicroUsdPerMillion: Number(row.outputPerMillion),
    createdAt: row.createdAt.getTime(),
  };
}
