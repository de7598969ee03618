import { Svcm } from '@nats-io/services';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connectToServer } from '#bus-schemas';
import { Bus } from '#coordinator/bus.ts';
import type { NatsNode } from '#network';
import { startBareHub } from '#testcontainers';
import { ReceiptGroups } from './receipt-groups.ts';

const log = pino({ level: 'silent' });
const pausesMs = { no: 10, yes: 10 };
const WAIT = { timeout: 20_000 };

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

test('groups are allowed while every copy of settlement reads them, and not while an older one runs', {
  timeout: 60_000,
}, async () => {
  await using groups = new ReceiptGroups({ connection: bus.connection, log, pausesMs });
  const become = (wanted: boolean) => vi.waitFor(() => expect(groups.areRead).toBe(wanted), WAIT);
  expect(groups.areRead).toBe(false);
  await bus.serve('settlement', []);
  await become(true);
  const older = await new Svcm(bus.connection).add({ name: 'settlement', version: '0.1.0' });
  await become(false);
  await older.stop();
  await become(true);
});

test('groups are not allowed while the bus does not answer', { timeout: 60_000 }, async () => {
  const connection = await connectToServer({ servers: hub.clientUrl });
  await using groups = new ReceiptGroups({ connection, log, pausesMs });
  await vi.waitFor(() => expect(groups.areRead).toBe(true), WAIT);
  await connection.close();
  await vi.waitFor(() => expect(groups.areRead).toBe(false), WAIT);
});
