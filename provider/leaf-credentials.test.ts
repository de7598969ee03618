import { expect, test } from 'vitest';
import { renewalTime } from './leaf-credentials.ts';

const DAY_MS = 86_400_000;

test('credentials are renewed after half of their lifetime', () => {
  expect(renewalTime({ issuedAt: 100 * DAY_MS, expiresAt: 130 * DAY_MS })).toBe(115 * DAY_MS);
});

test('credentials of an older version, which never expire, are renewed at once', () => {
  expect(renewalTime({ issuedAt: 100 * DAY_MS, expiresAt: undefined })).toBe(0);
});
