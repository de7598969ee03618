import { expect, test } from 'vitest';
import { germanErrors, germanRefusals } from '#console/web/texts/german/failures.ts';
import { apiErrors } from '#http-api/errors.ts';
import { namedRefusals, refusalError, settlementRefusals } from '#http-api/refusals.ts';

/** Refusals of requests that no page sends. */
const ELSEWHERE =
  /^(putStored|readStored|createBatch|readBatch|setProviderPrice|webhook|enrol|renew|proveReader|mdmEvent|addPromotion|fundRewards)\./;

test('each refusal of a request that a page sends has a German sentence', () => {
  const shown = [...namedRefusals.keys()].filter((name) => !ELSEWHERE.test(name));
  expect(shown.length).toBeGreaterThan(30);
  expect(Object.keys(germanRefusals).toSorted()).toEqual(shown.toSorted());
});

test('each error of the API has a German sentence', () => {
  const missing = Object.keys(apiErrors).filter((code) => germanErrors[code] === undefined);
  expect(missing).toEqual([]);
});

test('the body of an error names its message only if its code has several', () => {
  const { money_on_the_way, unavailable } = settlementRefusals.disconnect;
  expect(refusalError(money_on_the_way).toBody().error.reason).toBe('disconnect.money_on_the_way');
  expect(refusalError(unavailable).toBody().error.reason).toBe('checkout.unavailable');
  expect(refusalError({ error: 'storage_full' }).toBody().error).not.toHaveProperty('reason');
});
