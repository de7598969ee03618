import { join } from 'node:path';
import type { Pool } from 'pg';
import type { CatalogModel, CatalogSnapshot, NewModel, Quantization, Trait } from '#bus-schemas';
import type { Config } from '#coordinator/config.ts';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'put-alias',
  'put-model',
  'snapshot',
]);

const ALIASES = namedStatement<{ alias: string; model: string }>('catalog.aliases')`
  SELECT alias, model FROM catalog_aliases ORDER BY alias`;

const DROP_MODEL = namedStatement<RevisionRow>('catalog.drop-model')`
  WITH dropped AS (DELETE FROM catalog_models WHERE id = ${'id'} RETURNING id)
  UPDATE catalog_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM dropped)
  RETURNING revision`;

const DROP_ALIAS = namedStatement<RevisionRow>('catalog.drop-alias')`
  WITH dropped AS (DELETE FROM catalog_aliases WHERE alias = ${'alias'} RETURNING alias)
  UPDATE catalog_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM dropped)
  RETURNING revision`;

/** Models and aliases. Every change also increases the revision, in the same statement. */
export class CatalogStore {
  readonly #database: Pool;
  readonly #defaultPrice: Config['defaultPrice'];

  constructor(database: Pool, defaultPrice: Config['defaultPrice']) {
    this.#database = database;
    this.#defaultPrice = defaultPrice;
  }

  async snapshot(): Promise<CatalogSnapshot> {
    const { inputPerMillion, outputPerMillion } = this.#defaultPrice;
    const [rows, aliases] = await Promise.all([
      query<SnapshotRow>(this.#database, sql.snapshot, [inputPerMillion, outputPerMillion]),
      this.#aliases(),
    ]);
    const models = rows.flatMap(({ id, ...row }) => (id === null ? [] : [modelOf(id, row)]));
    return { revision: Number(rows[0]?.revision ?? 0), models, aliases };
  }

  async putModel(model: NewModel): Promise<number> {
    const { id, displayName, contextTokens, maxOutputTokens, builds } = model;
    const { traits = [], quantizations = {}, weights = {}, tokenizer = null } = model;
    const { description = null, huggingFaceId = null, minimumMemoryGb = null } = model;
    const prices = [
      model.inputMicroUsdPerMillion ?? null,
      model.cacheReadMicroUsdPerMillion ?? null,
      model.outputMicroUsdPerMillion ?? null,
    ];
    const values = [
      id,
      displayName,
      contextTokens,
      maxOutputTokens,
      builds,
      ...prices,
      traits,
      quantizations,
      weights,
      tokenizer,
      description,
      huggingFaceId,
      minimumMemoryGb,
    ];
    return (await revisionOf(query(this.#database, sql['put-model'], values))) ?? 0;
  }

  /**
   * This and the following methods return the new revision, or undefined if nothing was changed.
   */
  dropModel(id: string): Promise<number | undefined> {
    return revisionOf(queryNamed(this.#database, DROP_MODEL, { id }));
  }

  putAlias(alias: string, model: string): Promise<number | undefined> {
    return revisionOf(query(this.#database, sql['put-alias'], [alias, model]));
  }

  dropAlias(alias: string): Promise<number | undefined> {
    return revisionOf(queryNamed(this.#database, DROP_ALIAS, { alias }));
  }

  async hasAliases(model: string): Promise<boolean> {
    return (await this.#aliases()).some((alias) => alias.model === model);
  }

  /** The model with this id or alias. */
  async model(name: string): Promise<CatalogModel | undefined> {
    const { models, aliases = [] } = await this.snapshot();
    const id = aliases.find(({ alias }) => alias === name)?.model ?? name;
    return models.find((model) => model.id === id);
  }

  async isModel(id: string): Promise<boolean> {
    return (await this.snapshot()).models.some((model) => model.id === id);
  }

  #aliases(): Promise<{ alias: string; model: string }[]> {
    return queryNamed(this.#database, ALIASES, {});
  }
}

interface RevisionRow {
  readonly revision: string;
}

async function revisionOf(changed: Promise<RevisionRow[]>): Promise<number | undefined> {
  const [row] = await changed;
  return row === undefined ? undefined : Number(row.revision);
}

interface SnapshotRow {
  readonly revision: string;
  readonly id: string | null;
  readonly displayName: string;
  readonly contextTokens: string;
  readonly maxOutputTokens: string;
  readonly builds: string[];
  readonly traits: Trait[];
  readonly quantizations: Record<string, Quantization>;
  readonly weights: Record<string, string>;
  readonly tokenizer: string | null;
  readonly inputPerMillion: string;
  readonly cacheReadPerMillion: string;
  readonly outputPerMillion: string;
  readonly createdAt: Date;
  readonly description: string | null;
  readonly huggingFaceId: string | null;
  readonly minimumMemoryGb: number | null;
  readonly betaFor: string[] | null;
  readonly deprecatedAt: Date | null;
  readonly sunsetAt: Date | null;
  readonly replacement: string | null;
  readonly shedUntil: Date | null;
  readonly shedReason: string | null;
  readonly previousBuild: string | null;
}

function modelOf(id: string, row: Omit<SnapshotRow, 'id'>): CatalogModel {
  return {
    id,
    displayName: row.displayName,
    contextTokens: Number(row.contextTokens),
    maxOutputTokens: Number(row.maxOutputTokens),
    builds: row.builds,
    traits: row.traits,
    quantizations: row.quantizations,
    ...(Object.keys(row.weights).length > 0 && { weights: row.weights }),
    ...(row.tokenizer !== null && { tokenizer: row.tokenizer }),
    inputMicroUsdPerMillion: Number(row.inputPerMillion),
    cacheReadMicroUsdPerMillion: Number(row.cacheReadPerMillion),
    outputMicroUsdPerMillion: Number(row.outputPerMillion),
    createdAt: row.createdAt.getTime(),
    ...(row.description !== null && { description: row.description }),
    ...(row.huggingFaceId !== null && { huggingFaceId: row.huggingFaceId }),
    ...(row.minimumMemoryGb !== null && { minimumMemoryGb: row.minimumMemoryGb }),
    ...(row.betaFor !== null && { betaFor: row.betaFor }),
    ...(row.deprecatedAt !== null && {
      deprecation: {
        at: row.deprecatedAt.getTime(),
        ...(row.sunsetAt !== null && { sunsetAt: row.sunsetAt.getTime() }),
        ...(row.replacement !== null && { replacement: row.replacement }),
      },
    }),
    ...(row.shedUntil !== null && {
      shed: { until: row.shedUntil.getTime(), reason: row.shedReason ?? '' },
    }),
    ...(row.previousBuild !== null && { previousBuild: row.previousBuild }),
  };
}
