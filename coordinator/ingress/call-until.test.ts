import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectToServer, services } from '#bus-schemas';
import { Bus, endpoint } from '#coordinator/bus.ts';
import type { NatsNode } from '#network';
import { startBareHub } from '#testcontainers';
import { answerIfAny, answerOf } from './call-until.ts';

const LIMITS = { eachMs: 200, totalMs: 250 };
/** The last of several calls may have too little time left to learn that nobody listens. */
const ONE_CALL = { eachMs: 100, totalMs: 100 };

let hub: NatsNode;
let bus: Bus;
beforeAll(async () => {
  hub = await startBareHub();
  bus = new Bus(await connectToServer({ servers: hub.clientUrl }));
});
afterAll(async () => {
  await bus.connection.close();
  await hub[Symbol.asyncDispose]();
});

test('a component that does not reply gives a 503 with its cause', async () => {
  await expect(answerOf(bus, services.catalog.snapshot, {}, ONE_CALL)).rejects.toMatchObject({
    code: 'service_unavailable',
    cause: { name: 'BusError', code: 'unavailable' },
  });
});

test('a component that fails gives a 503 with its cause, after one call', async () => {
  let calls = 0;
  const failing = endpoint(services.catalog.snapshot, () => {
    calls += 1;
    throw new Error('the shelf is empty');
  });
  await using _face = await bus.serve('catalog', [failing]);
  await bus.connection.flush();
  await expect(answerOf(bus, services.catalog.snapshot, {}, LIMITS)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('the shelf is empty') },
  });
  expect(calls).toBe(1);
});

test('a caller that can continue without the reply gets undefined', async () => {
  expect(await answerIfAny(bus, services.catalog.snapshot, {}, LIMITS)).toBeUndefined();
});
