import { expect, vi } from 'vitest';

/**
 * Shortest limit of `vi.waitFor` and `expect.poll`, in milliseconds. A wait ends when its event
 * comes; the limit only decides when a missing event is a failure. Vitest's default of one second,
 * and the few seconds that tests ask for, are too short beside programs that keep all cores busy.
 */
const PATIENCE_MS = 30_000;

const { waitFor } = vi;
vi.waitFor = (callback, options = {}) => {
  const { timeout = 0, ...rest } = typeof options === 'number' ? { timeout: options } : options;
  return waitFor(callback, { ...rest, timeout: Math.max(timeout, PATIENCE_MS) });
};

const { poll } = expect;
expect.poll = (callback, { timeout = 0, ...rest } = {}) =>
  poll(callback, { ...rest, timeout: Math.max(timeout, PATIENCE_MS) });
