import { connect } from '@nats-io/transport-node';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { core, events, FaultReport, FaultsReported } from '#bus-schemas';
import { Bus } from '#coordinator/bus.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import { counter } from '#observability';
import { startTestHub } from '#testcontainers';
import { receiveFaultReports } from './fault-reports.ts';

const stack = new AsyncDisposableStack();
const poll = { timeout: 20_000, interval: 20 };
const machine = (letter: string) => `A${letter.repeat(55)}`;
const report = (times: number): FaultReport => ({
  agentVersion: '1',
  engine: 'mlx',
  faults: [{ fault: 'backend_crash', times }],
});

let bus: Bus;
let now = 0;
const seen: FaultsReported[] = [];
const metrics = new Registry();
const rejected = counter(metrics, 'dinf_telemetry_rejected_reports_total');

beforeAll(async () => {
  const hub = stack.use(await startTestHub());
  const connection = await connect({ servers: hub.clientUrl });
  stack.defer(() => connection.close());
  bus = new Bus(connection);
  await ensureStreams(bus);
  bus.subscribe({
    subject: events.telemetryFaults,
    kind: FaultsReported,
    handle: (fact) => void seen.push(fact),
  });
  const receiving = receiveFaultReports({ bus, rejected, now: () => now });
  stack.defer(() => receiving.unsubscribe());
  await connection.flush();
}, 60_000);
afterAll(() => stack.disposeAsync());
beforeEach(() => {
  // Each test begins with a new window.
  now += 60_000;
  seen.length = 0;
  rejected.reset();
});

const send = (letter: string, payload: Uint8Array) =>
  bus.connection.publish(core.up(machine(letter), 'faults'), payload);
const rejectedReports = async () => (await rejected.get()).values[0]?.value ?? 0;

test('a report becomes a fact with its machine and time, which is stored', async () => {
  send('B', FaultReport.encode(report(2)));
  const fact = {
    provider: machine('B'),
    at: now,
    agentVersion: '1',
    engine: 'mlx',
    faults: [{ fault: 'backend_crash', times: 2 }],
  };
  await expect.poll(() => seen, poll).toMatchObject([fact]);
  const manager = await bus.manager();
  const stored = async () => (await manager.streams.info('TELEMETRY')).state.messages;
  await expect.poll(stored, poll).toBeGreaterThan(0);
});

test('three reports a minute of each machine are read, and the others are counted', async () => {
  for (let times = 1; times <= 5; times += 1) send('C', FaultReport.encode(report(times)));
  send('D', FaultReport.encode(report(9)));
  await expect.poll(() => seen.map(({ faults }) => faults[0]?.times), poll).toEqual([1, 2, 3, 9]);
  expect(await rejectedReports()).toBe(2);
  now += 60_000;
  send('C', FaultReport.encode(report(6)));
  await expect.poll(() => seen.at(-1)?.faults[0]?.times, poll).toBe(6);
});

test('a report that is too large or not readable is counted, and nothing of it is published', async () => {
  send('E', new Uint8Array(1_025));
  send('E', Uint8Array.of(0xc1));
  const [fault] = report(1).faults;
  const faults = [{ ...fault, detail: 'a prompt' }];
  send('E', FaultReport.encode({ ...report(1), faults, text: 'a prompt' } as never));
  await expect.poll(() => seen.length, poll).toBe(1);
  expect(await rejectedReports()).toBe(2);
  expect(JSON.stringify(seen)).not.toContain('prompt');
});
