import { expect, test } from 'vitest';
import { SUITE_ID } from '#bus-schemas';
import { explain } from './explanation.ts';
import { Router } from './router.ts';

const idOf = (letter: string) => `A${letter.repeat(55)}`;
const ask = { job: '', builds: ['sim'], promptTokens: 100, maxOutputTokens: 100, exclude: [] };

test('says of each slot what a decision would say, in words, and counts each once', () => {
  const router = new Router({ suite: SUITE_ID, queueDepth: 1, graceMs: 0, startedAt: 0, random: () => 0 });
  const announce = (letter: string, slot: object = {}, word: object = {}) =>
    router.fleet.announce(
      idOf(letter),
      {
        ...{ session: 's_0123456789ab', sequence: 1, draining: false, agentVersion: '1', engine: 'simulated', ...word },
        machine: { chip: 'M', memoryGb: 64, bandwidthGbps: 400, simulated: true },
        sealing: { suite: SUITE_ID, publicKey: new Uint8Array(32) },
        slots: [
          {
            ...{ build: 'sim', state: 'resident', contextTokens: 1_000, running: 0, waiting: 0, maxConcurrency: 2, freeTokens: 1_000 },
            ...{ decodeTps: 50, prefillTps: 500, loadMs: 0, ...slot },
          },
        ],
      },
      0,
    );
  announce('B');
  announce('C', { contextTokens: 150 });
  announce('D', {}, { draining: true });
  announce('E');
  for (let fault = 0; fault < 3; fault += 1) router.faults.failed(idOf('E'), 1);
  announce('F', { running: 2 });
  const { slots, tally } = explain(router.fleet.serving('sim'), ask, 2);
  expect(tally).toEqual({ open: 1, context: 1, draining: 1, breaker: 1, busy: 1 });
  expect(Object.fromEntries(slots.map(({ provider, gate }) => [provider[1], gate]))).toEqual({
    B: undefined,
    C: 'context',
    D: 'draining',
    E: 'breaker',
    F: 'busy',
  });
  expect(slots.find(({ gate }) => gate === undefined)?.expectedFirstContentMs).toBeGreaterThan(0);
  expect(new Set(slots.map(({ because }) => because)).size).toBe(5);
});
