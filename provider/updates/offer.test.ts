import { expect, test } from 'vitest';
import { isNewer } from './offer.ts';

test.each([
  ['0.2.0', '0.1.9'],
  ['0.10.0', '0.9.0'],
  ['1.0.0', '1.0.0-rc.1'],
  ['1.0.0-rc.2', '1.0.0-rc.1'],
])('%s is newer than %s, and not the other way round', (newer, older) => {
  expect(isNewer(newer, older)).toBe(true);
  expect(isNewer(older, newer)).toBe(false);
  expect(isNewer(newer, newer)).toBe(false);
});
