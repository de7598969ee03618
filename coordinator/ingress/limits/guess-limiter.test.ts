import { expect, test } from 'vitest';
import { AddressLimiter } from './address-limiter.ts';
import { GuessLimiter } from './guess-limiter.ts';

const LIMIT = 3;
const newLimiter = () => {
  const clock = () => 0;
  return new GuessLimiter({ addresses: new AddressLimiter(LIMIT, clock), limit: LIMIT, clock });
};
const wrong = async () => ({ ok: false });
const right = async () => ({ ok: true });
const codes = async (guesses: Promise<unknown>[]) =>
  (await Promise.allSettled(guesses)).map(({ status }) => status);
const allowed = (outcomes: readonly string[]) =>
  outcomes.filter((outcome) => outcome === 'fulfilled').length;

test('an account that guesses from many addresses is stopped, and other accounts are not', async () => {
  const limiter = newLimiter();
  const guesses = Array.from({ length: 10 }, (_, index) =>
    limiter.guess({ address: `192.0.2.${index}`, account: 'eve' }, wrong),
  );
  expect(allowed(await codes(guesses))).toBe(LIMIT);
  expect(await limiter.guess({ address: '192.0.2.200', account: 'ann' }, right)).toEqual({
    ok: true,
  });
});

test('an address that guesses with many accounts is stopped, also when all guesses are sent at once', async () => {
  const limiter = newLimiter();
  const guesses = Array.from({ length: 10 }, (_, index) =>
    limiter.guess({ address: '192.0.2.1', account: `eve-${index}` }, wrong),
  );
  expect(allowed(await codes(guesses))).toBe(LIMIT);
});

test('correct codes and failures of the service are not counted', async () => {
  const limiter = newLimiter();
  const guesser = { address: '192.0.2.1', account: 'ann' };
  for (let guess = 0; guess < 10; guess += 1) {
    await limiter.guess(guesser, right);
    await expect(
      limiter.guess(guesser, () => Promise.reject(new Error('unreachable'))),
    ).rejects.toThrow('unreachable');
  }
  expect(await limiter.guess(guesser, wrong)).toEqual({ ok: false });
});
