import { expect, test } from 'vitest';
import { StatePool } from './state-pool.ts';

test('a stored state is dropped when its slot is needed, but not while a sequence holds it', () => {
  const pool = new StatePool(2);
  const stored = pool.take() as number;
  expect(pool.store(7, stored)).toBe(true);
  const own = pool.take() as number;
  expect(own).not.toBe(stored);
  expect(pool.take()).toBeUndefined();
  pool.letGo(stored);
  expect(pool.isStored(7)).toBe(true);
  expect(pool.take()).toBe(stored);
  expect(pool.isStored(7)).toBe(false);
});

test('the state that was used least recently is dropped first', () => {
  const pool = new StatePool(3);
  const slots = [7, 8, 9].map((page) => {
    const slot = pool.take() as number;
    pool.store(page, slot);
    pool.letGo(slot);
    return slot;
  });
  pool.letGo(pool.hold(7) as number);
  expect(pool.take()).toBe(slots[1]);
  expect([7, 8, 9].map((page) => pool.isStored(page))).toEqual([true, false, true]);
});

test('a state whose page is replaced is freed once its last holder has read it', () => {
  const pool = new StatePool(1);
  const slot = pool.take() as number;
  pool.store(7, slot);
  pool.hold(7);
  pool.forget(7);
  expect(pool.hold(7)).toBeUndefined();
  pool.letGo(slot);
  expect(pool.take()).toBeUndefined();
  pool.letGo(slot);
  expect(pool.used).toBe(0);
  expect(pool.take()).toBe(slot);
});
