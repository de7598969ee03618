SELECT id, account, disabled, revoked_at AS "revokedAt", expires_at AS "expiresAt", rpm_limit AS "requests", itpm_limit AS "inputTokens",
  otpm_limit AS "outputTokens", allowed_models AS "allowedModels", self_route_only AS "selfRouteOnly"
FROM api_keys WHERE hash = $1
