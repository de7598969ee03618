import type { Pool } from 'pg';
import type { ModelPrice } from '#bus-schemas';
import type { Config } from '#coordinator/config.ts';
import { query, type Statement } from '#coordinator/sql.ts';

/** Prices of a model that are listed, the newest first. */
const MAX_PRICES = 1_000;

/**
 * Changes of a model over its life: beta test, rollouts of builds, shedding and deprecation. Each
 * method returns the new revision of the catalog, or undefined if it changed nothing. A name may be
 * the id of a model or an alias.
 */
export class ModelLife {
  readonly #database: Pool;
  readonly #defaultPrice: Config['defaultPrice'];

  constructor(database: Pool, defaultPrice: Config['defaultPrice']) {
    this.#database = database;
    this.#defaultPrice = defaultPrice;
  }

  /** Refuses requests for the model until a time, or accepts them again. */
  shed(name: string, shed: { until: number; reason: string } | undefined) {
    const until = shed === undefined ? null : new Date(shed.until);
    return this.#change(SHED, [name, until, shed?.reason ?? null]);
  }

  /** Restricts the model to these accounts and keys, or ends its beta test. */
  setBeta(name: string, allowed: readonly string[] | undefined) {
    return this.#change(BETA, [name, allowed ?? null]);
  }

  deprecate(
    name: string,
    deprecation: { at: number; sunsetAt?: number; replacement?: string } | undefined,
  ) {
    const { at, sunsetAt, replacement = null } = deprecation ?? {};
    const time = (value: number | undefined) => (value === undefined ? null : new Date(value));
    return this.#change(DEPRECATE, [name, time(at), time(sunsetAt), replacement]);
  }

  /**
   * Makes `build` the preferred one. The build before it stays as an alternative, so that requests
   * are served while machines change over.
   */
  rollOut(name: string, build: string, weights: string | undefined) {
    return this.#change(ROLL_OUT, [name, build, weights ?? null]);
  }

  /** Prefers the build before the last rollout again. */
  revert(name: string) {
    return this.#change(REVERT, [name]);
  }

  /** Returns the prices that the model had, newest first. */
  async prices(name: string): Promise<ModelPrice[]> {
    const { inputPerMillion, outputPerMillion } = this.#defaultPrice;
    const rows = await query<PriceRow>(this.#database, PRICES, [
      name,
      inputPerMillion,
      outputPerMillion,
      MAX_PRICES,
    ]);
    return rows.map(({ at, input, cacheRead, output }) => ({
      at: at.getTime(),
      inputMicroUsdPerMillion: Number(input),
      cacheReadMicroUsdPerMillion: Number(cacheRead),
      outputMicroUsdPerMillion: Number(output),
    }));
  }

  async #change(statement: Statement, values: readonly unknown[]): Promise<number | undefined> {
    const [row] = await query<{ revision: string }>(this.#database, statement, values);
    return row === undefined ? undefined : Number(row.revision);
  }
}

interface PriceRow {
  readonly at: Date;
  readonly input: string;
  readonly cacheRead: string;
  readonly output: string;
}

/** The model that a name stands for. */
const MODEL = 'id = coalesce((SELECT model FROM catalog_aliases WHERE alias = $1), $1)';
const changing = (name: string, update: string, condition = 'true'): Statement => ({
  name: `catalog.${name}`,
  text: `WITH changed AS (UPDATE catalog_models SET ${update} WHERE ${MODEL} AND ${condition} RETURNING id)
    UPDATE catalog_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM changed) RETURNING revision`,
});

const SHED = changing('shed', 'shed_until = $2, shed_reason = $3');
const BETA = changing('beta', 'beta_for = $2');
const DEPRECATE = changing('deprecate', 'deprecated_at = $2, sunset_at = $3, replacement = $4');
const ROLL_OUT = changing(
  'roll-out',
  `builds = (ARRAY[$2::text] || array_remove(builds, $2::text))[1:8], previous_build = builds[1],
    weights = CASE WHEN $3::text IS NULL THEN weights ELSE weights || jsonb_build_object($2::text, $3::text) END`,
  'builds[1] <> $2',
);
const REVERT = changing(
  'revert',
  'builds = (ARRAY[previous_build] || array_remove(builds, previous_build))[1:8], previous_build = builds[1]',
  'previous_build IS NOT NULL',
);
const PRICES: Statement = {
  name: 'catalog.prices',
  text: `SELECT at, coalesce(input_per_million, $2) AS input,
      coalesce(cache_read_per_million, coalesce(input_per_million, $2) / 2) AS "cacheRead",
      coalesce(output_per_million, $3) AS output
    FROM catalog_price_history
    WHERE model = coalesce((SELECT model FROM catalog_aliases WHERE alias = $1), $1)
    ORDER BY at DESC LIMIT $4`,
};
