import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { type OpenApiDocument, routeTypes } from './api-types.ts';

const FILE = join(import.meta.dirname, 'web/api/routes.ts');
/** The routes that the pages call. */
const ROUTES = [
  'GET /v1/me',
  'GET /v1/me/changes',
  'GET /v1/me/providers',
  'GET /v1/me/providers/{id}/day',
  'DELETE /v1/me/providers/{id}',
  'GET /v1/balance',
  'GET /v1/usage',
  'GET /v1/statement',
  'GET /v1/earnings',
  'GET /v1/generation',
  'GET /v1/receipts/{job}',
  'GET /v1/receipt-keys',
  'POST /v1/billing/checkout',
  'POST /v1/billing/onboard',
  'GET /v1/billing/connection',
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
  'GET /v1/pricing',
  'GET /v1/stats',
  'GET /v1/device/request',
  'GET /v1/status',
  'GET /v1/transparency/head',
  'POST /v1/device/approve',
] as const;

const openApi = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../docs/openapi.json'), 'utf8'),
) as OpenApiDocument;

test('the types of the routes are those of the OpenAPI document', () => {
  const types = routeTypes(openApi, ROUTES);
  if (setting('DINF_WRITE_API')) writeFileSync(FILE, types);
  expect(readFileSync(FILE, 'utf8')).toBe(types);
});

test('a route that does not exist is a fault', () => {
  expect(() => routeTypes(openApi, ['GET /v1/none'])).toThrow('GET /v1/none is not in');
});
