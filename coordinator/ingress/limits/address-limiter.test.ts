import { expect, test } from 'vitest';
import { ApiError } from '#http-api/errors.ts';
import { AddressLimiter } from './address-limiter.ts';

const newLimiter = () => {
  const clock = { now: 0 };
  const limiter = new AddressLimiter(2, () => clock.now);
  const isOut = (address: string) => {
    try {
      limiter.check(address);
      return false;
    } catch {
      return true;
    }
  };
  return { clock, limiter, isOut };
};

test('an address that has reached its limit waits for the next minute; other addresses do not', () => {
  const { clock, limiter, isOut } = newLimiter();
  for (let count = 0; count < 2; count += 1) limiter.count('192.0.2.1');
  expect([isOut('192.0.2.1'), isOut('192.0.2.2')]).toEqual([true, false]);
  clock.now = 59_999;
  expect(isOut('192.0.2.1')).toBe(true);
  clock.now = 60_000;
  expect(isOut('192.0.2.1')).toBe(false);
});

test('an address with too many wrong credentials may still show a good one, and has a bounded number of verifications at once', async () => {
  const { limiter } = newLimiter();
  for (let count = 0; count < 2; count += 1) limiter.count('192.0.2.1');
  expect(await limiter.verify('192.0.2.1', async () => 'good')).toBe('good');
  const wrong = limiter.verify('192.0.2.1', async () => {
    throw new ApiError('invalid_api_key');
  });
  await expect(wrong).rejects.toMatchObject({ code: 'rate_limit_exceeded' });
  const release = Promise.withResolvers<void>();
  const running = Array.from({ length: 8 }, () =>
    limiter.verify('192.0.2.1', () => release.promise),
  );
  await expect(limiter.verify('192.0.2.1', async () => 'good')).rejects.toMatchObject({
    code: 'rate_limit_exceeded',
  });
  expect(await limiter.verify('192.0.2.2', async () => 'good')).toBe('good');
  release.resolve();
  await Promise.all(running);
  expect(await limiter.verify('192.0.2.1', async () => 'good')).toBe('good');
});

test('an address that goes on trying stays limited while more addresses than fit are counted', () => {
  const { limiter, isOut } = newLimiter();
  for (let count = 0; count < 2; count += 1) limiter.count('192.0.2.1');
  const stayedOut = new Set<boolean>();
  for (let other = 0; other < 150_000; other += 1) {
    limiter.count(`10.${other >> 16}.${(other >> 8) & 255}.${other & 255}`);
    if (other % 1_000 === 0) stayedOut.add(isOut('192.0.2.1'));
  }
  expect([...stayedOut]).toEqual([true]);
});

test.each([
  ['2001:db8::1', '2001:db8:0:0:ffff::2', true],
  ['2001:db8:0:1::1', '2001:0db8:0000:0001:9::', true],
  ['2001:db8::1', '2001:db8:0:1::1', false],
  ['::ffff:192.0.2.1', '192.0.2.1', true],
])('%s and %s count as one network: %s', (one, other, same) => {
  const { limiter, isOut } = newLimiter();
  for (let count = 0; count < 2; count += 1) limiter.count(one);
  expect(isOut(other)).toBe(same);
});
