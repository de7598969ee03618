SELECT id, account, name, hint, disabled, created_at AS "createdAt", revoked_at AS "revokedAt", last_used_at AS "lastUsedAt", expires_at AS "expiresAt", rpm_limit AS "requests",
  itpm_limit AS "inputTokens", otpm_limit AS "outputTokens", allowed_models AS "allowedModels", self_route_only AS "selfRouteOnly"
FROM api_keys WHERE ($1::text IS NULL OR account = $1) AND ($2::text IS NULL OR id = $2)
ORDER BY revoked_at IS NULL DESC, created_at DESC
LIMIT 1000
