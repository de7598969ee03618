import { expect, test } from 'vitest';
import { MeasuredSpeeds } from './measured-speeds.ts';

const MINUTE = 60_000;
const answer = (account: string, tokensPerSecond: number, tokens = 100) => ({
  account,
  tokens,
  tookMs: (1_000 * tokens) / tokensPerSecond,
});

function speeds(
  ...answers: [account: string, tokensPerSecond: number, tokens?: number][]
): MeasuredSpeeds {
  const measured = new MeasuredSpeeds();
  measured.of('machine', 'build');
  for (const one of answers) measured.learn('machine', 'build', answer(...one), 0);
  return measured;
}
const tokensPerSecond = (measured: MeasuredSpeeds) =>
  Math.round(1_000 / measured.of('machine', 'build').tokenMs);

test('two answers are enough to measure a speed; one answer, or short ones, are not', () => {
  expect(speeds(['a', 20]).of('machine', 'build').tokenMs).toBe(0);
  expect(speeds(['a', 20, 15], ['b', 20, 15]).of('machine', 'build').tokenMs).toBe(0);
  expect(tokensPerSecond(speeds(['a', 20], ['a', 20]))).toBe(20);
});

test('slow readers of one account do not make a machine look slow', () => {
  const slow = Array.from({ length: 20 }, (): [string, number] => ['slow reader', 1]);
  expect(tokensPerSecond(speeds(['a', 50], ['b', 48], ...slow))).toBe(50);
});

test('a machine that becomes slower is measured by its last answers', () => {
  const late = Array.from({ length: 8 }, (_, index): [string, number] => [`account ${index}`, 5]);
  expect(tokensPerSecond(speeds(['a', 50], ['b', 50], ...late))).toBe(5);
});

test('answers are dropped after ten minutes, and with them a slot that is not listed', () => {
  const measured = speeds(['a', 20], ['b', 20]);
  const record = measured.of('machine', 'build');
  measured.unlist('machine', 'build');
  expect(measured.of('machine', 'build')).toBe(record);
  measured.sweep(9 * MINUTE, () => false);
  expect(record.tokenMs).toBe(50);
  measured.sweep(10 * MINUTE, () => false);
  expect(record.tokenMs).toBe(0);
  measured.sweep(10 * MINUTE, () => false);
  expect(measured.of('machine', 'build')).not.toBe(record);
});

test('a slot without answers is dropped at once when it is not listed any more', () => {
  const measured = new MeasuredSpeeds();
  const record = measured.of('machine', 'made-up name');
  measured.unlist('machine', 'made-up name');
  expect(measured.of('machine', 'made-up name')).not.toBe(record);
});

test('an account does not contribute more answers because a router began with stored ones', () => {
  const before = speeds(['a', 20], ['a', 20], ['b', 20], ['b', 20]);
  const after = new MeasuredSpeeds();
  for (const stored of before.stored('machine', 0))
    after.restore('machine', stored, { at: 0, now: 0, isOwn: false });
  for (const account of ['a', 'a', 'b', 'b'])
    after.learn('machine', 'build', answer(account, 5), 0);
  expect(tokensPerSecond(after)).toBe(5);
});
