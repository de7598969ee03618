import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { type OpenApiDocument, routeTypes } from './api-types.ts';

const FILE = join(import.meta.dirname, 'web/api/routes.ts');
const OPERATOR_FILE = join(import.meta.dirname, 'web/operator/routes.ts');
/** The routes that the pages call. */
const ROUTES = [
  'GET /v1/me',
  'GET /v1/me/changes',
  'GET /v1/me/providers',
  'GET /v1/me/providers/{id}/day',
  'DELETE /v1/me/providers/{id}',
  'PUT /v1/me/providers/{id}/public-name',
  'DELETE /v1/me/providers/{id}/public-name',
  'GET /v1/balance',
  'GET /v1/usage',
  'GET /v1/statement',
  'GET /v1/earnings',
  'GET /v1/rewards',
  'GET /v1/rewards/policy',
  'GET /v1/rewards/promotions',
  'GET /v1/generation',
  'GET /v1/receipts/{job}',
  'GET /v1/receipt-keys',
  'POST /v1/billing/checkout',
  'POST /v1/billing/onboard',
  'GET /v1/billing/connection',
  'DELETE /v1/billing/connection',
  'GET /v1/billing/deposits',
  'GET /v1/billing/deposits/{id}/receipt',
  'POST /v1/billing/dashboard',
  'GET /v1/billing/withdrawals/quote',
  'GET /v1/billing/withdrawals',
  'POST /v1/billing/withdrawals',
  'POST /v1/invites/redeem',
  'GET /v1/keys',
  'POST /v1/keys',
  'PATCH /v1/keys/{id}',
  'DELETE /v1/keys/{id}',
  'POST /v1/keys/{id}/rotate',
  'GET /v1/models/catalog',
  'GET /v1/models/capacity',
  'GET /v1/models/demand',
  'GET /v1/pricing',
  'GET /v1/stats',
  'GET /v1/leaderboard',
  'GET /v1/device/request',
  'GET /v1/status',
  'GET /v1/transparency/head',
  'POST /v1/device/approve',
] as const;

/** The routes that the operators' pages call. */
const OPERATOR_ROUTES = [
  'GET /admin/fleet',
  'POST /admin/providers/{id}/drain',
  'POST /admin/providers/{id}/resume',
  'DELETE /admin/providers/{id}',
  'GET /admin/public-names',
  'POST /admin/public-names/withdraw',
  'POST /admin/providers/{id}/allow-name',
  'GET /admin/capacity',
  'GET /admin/incidents',
  'GET /admin/breakers',
  'GET /admin/routing/decisions',
  'GET /admin/routing/explain',
  'GET /admin/routing/switches',
  'PUT /admin/routing/switches/{name}',
  'GET /admin/books',
  'GET /admin/parked',
  'POST /admin/parked/replay',
  'GET /admin/payouts',
  'GET /admin/rewards',
  'POST /admin/rewards/fund',
  'DELETE /admin/rewards/policy',
  'GET /admin/rewards/promotions',
  'DELETE /admin/rewards/promotions/{name}',
  'GET /admin/accounts',
  'GET /admin/accounts/{id}',
  'POST /admin/accounts/{id}/suspend',
  'POST /admin/accounts/{id}/resume',
  'POST /admin/accounts/{id}/credit',
  'POST /admin/accounts/{id}/reward',
  'GET /admin/accounts/{id}/keys',
  'DELETE /admin/keys/{id}',
  'GET /admin/catalog',
  'PUT /admin/sheds/{name}',
  'DELETE /admin/sheds/{name}',
  'POST /admin/rollouts/{name}',
  'POST /admin/reverts/{name}',
  'GET /admin/releases',
  'GET /admin/hubs',
  'GET /admin/streams',
  'GET /admin/audit',
] as const;

const documentOf = (name: string) =>
  JSON.parse(
    readFileSync(resolve(import.meta.dirname, `../docs/${name}`), 'utf8'),
  ) as OpenApiDocument;
const openApi = documentOf('openapi.json');

test.each([
  { file: FILE, document: openApi, name: 'Routes', routes: ROUTES },
  {
    file: OPERATOR_FILE,
    document: documentOf('openapi-operators.json'),
    name: 'OperatorRoutes',
    routes: OPERATOR_ROUTES,
  },
])('the types in $file are those of the OpenAPI document', ({ file, document, name, routes }) => {
  const types = routeTypes(document, { name, routes });
  if (setting('DINF_WRITE_API')) writeFileSync(file, types);
  expect(readFileSync(file, 'utf8')).toBe(types);
});

test('a route that does not exist is a fault', () => {
  expect(() => routeTypes(openApi, { name: 'Routes', routes: ['GET /v1/none'] })).toThrow(
    'GET /v1/none is not in',
  );
});
