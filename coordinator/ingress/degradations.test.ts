import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectToServer, services } from '#bus-schemas';
import { Bus, endpoint } from '#coordinator/bus.ts';
import { startBareHub } from '#testcontainers';
import { degradations } from './degradations.ts';

const stack = new AsyncDisposableStack();
let bus: Bus;

beforeAll(async () => {
  const hub = stack.use(await startBareHub());
  bus = new Bus(await connectToServer({ servers: hub.clientUrl }));
  stack.defer(() => bus.connection.close());
}, 60_000);
afterAll(() => stack.disposeAsync());

test('lost facts of a stream and wrong clocks are both named', async () => {
  const loss = { stream: 'JOBS', facts: 3, firstAt: 0, lastAt: 60_000 };
  await using _trust = await bus.serve('trust', [
    endpoint(services.trust.clocks, () => ({ problems: ['the clock of the hub is off'] })),
  ]);
  await using _telemetry = await bus.serve('telemetry', [
    endpoint(services.telemetry.losses, () => ({ streams: [loss] })),
  ]);
  expect(await degradations(bus)).toEqual([
    'the clock of the hub is off',
    'stream JOBS removed 3 facts before telemetry read them, from 1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z',
  ]);
});

test('components that do not answer are named instead', async () => {
  expect(await degradations(bus)).toEqual([
    'trust did not report whether the clocks of the network agree: unavailable',
    'telemetry did not report whether facts were lost: unavailable',
  ]);
});
