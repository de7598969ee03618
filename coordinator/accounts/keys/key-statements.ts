import type { Statement } from '#coordinator/sql.ts';
import { LIMIT_COLUMNS, limitsIn, limitValuesIn } from '../limits/limit-columns.ts';

/** The statements that read and write the settings of keys. */

const SETTINGS = `k.disabled, k.expires_at AS "expiresAt", k.allowed_models AS "allowedModels", k.self_route_only AS "selfRouteOnly",
  ${limitsIn('k')} AS limits`;

export const ADD_KEY: Statement = {
  name: 'keys.add-key',
  text: `INSERT INTO api_keys (id, account, name, hash, hint, disabled, expires_at, allowed_models, self_route_only, ${LIMIT_COLUMNS})
SELECT $1, a.id, $3, $4, $5, $6, $7, $8, $9, ${limitValuesIn('$10')} FROM accounts a WHERE a.id = $2
ON CONFLICT DO NOTHING
RETURNING id`,
};

export const UPDATE_KEY: Statement = {
  name: 'keys.update-key',
  text: `UPDATE api_keys SET name = $3, disabled = $4, expires_at = $5, allowed_models = $6, self_route_only = $7,
  (${LIMIT_COLUMNS}) = ROW(${limitValuesIn('$8')})
WHERE id = $1 AND account = $2 AND revoked_at IS NULL
RETURNING account`,
};

export const KEY_BY_HASH: Statement = {
  name: 'keys.key-by-hash',
  text: `SELECT k.id, k.account, k.revoked_at AS "revokedAt", ${SETTINGS},
  a.suspended_at IS NOT NULL AS "isSuspended", ${limitsIn('a')} AS "accountLimits"
FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.hash = $1`,
};

export const LIST_KEYS: Statement = {
  name: 'keys.list-keys',
  text: `SELECT k.id, k.account, k.name, k.hint, k.created_at AS "createdAt", k.revoked_at AS "revokedAt", k.last_used_at AS "lastUsedAt", ${SETTINGS}
FROM api_keys k WHERE ($1::text IS NULL OR k.account = $1) AND ($2::text IS NULL OR k.id = $2)
ORDER BY k.revoked_at IS NULL DESC, k.created_at DESC
LIMIT 1000`,
};
