import { RATE_LIMIT_NAMES, RATE_LIMITS } from '#bus-schemas';
import type { Statement } from '#coordinator/sql.ts';

/**
 * The statements that read and write the settings of keys. The columns of the limits are those of
 * `RATE_LIMITS`; in parameters and rows all limits are one JSON object, without the missing ones.
 */

const COLUMNS = RATE_LIMIT_NAMES.map((name) => RATE_LIMITS[name].field);
const valuesIn = (parameter: string) =>
  RATE_LIMIT_NAMES.map((name) => `(${parameter}::jsonb->>'${name}')::bigint`);

const SETTINGS = `disabled, expires_at AS "expiresAt", allowed_models AS "allowedModels", self_route_only AS "selfRouteOnly",
  jsonb_strip_nulls(jsonb_build_object(${RATE_LIMIT_NAMES.map((name) => `'${name}', ${RATE_LIMITS[name].field}`).join(', ')})) AS limits`;

export const ADD_KEY: Statement = {
  name: 'keys.add-key',
  text: `INSERT INTO api_keys (id, account, name, hash, hint, disabled, expires_at, allowed_models, self_route_only, ${COLUMNS.join(', ')})
SELECT $1, a.id, $3, $4, $5, $6, $7, $8, $9, ${valuesIn('$10').join(', ')} FROM accounts a WHERE a.id = $2
ON CONFLICT DO NOTHING
RETURNING id`,
};

export const UPDATE_KEY: Statement = {
  name: 'keys.update-key',
  text: `UPDATE api_keys SET name = $3, disabled = $4, expires_at = $5, allowed_models = $6, self_route_only = $7,
  (${COLUMNS.join(', ')}) = ROW(${valuesIn('$8').join(', ')})
WHERE id = $1 AND account = $2 AND revoked_at IS NULL
RETURNING id`,
};

export const KEY_BY_HASH: Statement = {
  name: 'keys.key-by-hash',
  text: `SELECT id, account, revoked_at AS "revokedAt", ${SETTINGS} FROM api_keys WHERE hash = $1`,
};

export const LIST_KEYS: Statement = {
  name: 'keys.list-keys',
  text: `SELECT id, account, name, hint, created_at AS "createdAt", revoked_at AS "revokedAt", last_used_at AS "lastUsedAt", ${SETTINGS}
FROM api_keys WHERE ($1::text IS NULL OR account = $1) AND ($2::text IS NULL OR id = $2)
ORDER BY revoked_at IS NULL DESC, created_at DESC
LIMIT 1000`,
};
