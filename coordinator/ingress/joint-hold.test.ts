import { expect, test } from 'vitest';
import { JointHold } from './joint-hold.ts';

const job = (id: string, maxOutputTokens = 10) => ({ id, promptBound: 5, maxOutputTokens });
const ofThree = () => new JointHold([job('first'), job('second', 20), job('third')]);
const ids = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id);

test('the first choice asks for the money of all others, with the bounds of each', () => {
  const hold = ofThree();
  expect(hold.choicesWith('first')).toEqual([
    { job: 'second', promptBound: 5, outputBound: 20 },
    { job: 'third', promptBound: 5, outputBound: 10 },
  ]);
  expect(hold.choicesWith('second')).toBeUndefined();
});

test('a choice is covered only after settlement replied that the hold is made for all', () => {
  const hold = ofThree();
  hold.asked();
  expect(hold.covers('second')).toBe(false);
  hold.replied(false);
  expect(hold.covers('second')).toBe(false);
  hold.asked();
  hold.replied(true);
  expect([hold.covers('first'), hold.covers('second')]).toEqual([false, true]);
});

test('choices that never start are left when the first one is over, once', () => {
  const hold = ofThree();
  hold.asked();
  hold.replied(true);
  hold.started('third');
  expect(hold.left('third')).toEqual([]);
  expect(ids(hold.left('first'))).toEqual(['second']);
  expect(hold.left('first')).toEqual([]);
});

test('no choice is left if settlement was not asked or refused', () => {
  const hold = ofThree();
  expect(hold.left('first')).toEqual([]);
  hold.asked();
  hold.replied(false);
  expect(hold.left('first')).toEqual([]);
});

test('choices are left if settlement was asked and did not reply', () => {
  const hold = ofThree();
  hold.asked();
  expect(ids(hold.left('first'))).toEqual(['second', 'third']);
});
