import { Svcm } from '@nats-io/services';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectToServer, services } from '#bus-schemas';
import type { NatsNode } from '#network';
import { startBareHub } from '#testcontainers';
import { Bus, endpoint } from './bus.ts';
import {
  announceVersion,
  isAbleEverywhere,
  missingComponents,
  processesWithout,
} from './running-versions.ts';

const MIGRATION = '0200-drop-a-column.sql';

let hub: NatsNode;
let bus: Bus;

beforeEach(async () => {
  hub = await startBareHub();
  bus = new Bus(await connectToServer({ servers: hub.clientUrl }));
});
afterEach(async () => {
  await bus.connection.close();
  await hub[Symbol.asyncDispose]();
});

const older = () => processesWithout(bus.connection, MIGRATION, 500);
/** Announces a process as another version would. */
const announce = (version: string, contracts: string) =>
  new Svcm(bus.connection).add({
    name: 'coordinator',
    version,
    metadata: { components: 'routing', contracts },
  });

test('without a process no version is too old for a contract migration', async () => {
  expect(await older()).toEqual([]);
});

test('every process whose version does not contain a contract migration is named', async () => {
  await announceVersion(bus.connection, ['settlement', 'ingress']);
  await announce('0.3.0', '0150-another.sql');
  await announce('0.4.0', `0150-another.sql ${MIGRATION}`);
  expect((await older()).toSorted()).toEqual([
    'routing of version 0.3.0',
    expect.stringMatching(/^settlement ingress of version \d+\.\d+\.\d+$/),
  ]);
});

test('a component of a version without announcements is named, and other services are not', async () => {
  for (const name of ['accounts', 'backup'])
    await new Svcm(bus.connection).add({ name, version: '1.0.0' });
  await bus.serve('catalog', [
    endpoint(services.catalog.snapshot, () => ({ models: [], aliases: [], revision: 1 })),
  ]);
  expect(await older()).toEqual(['accounts of an unknown version']);
});

test('a component that no process serves is named as missing', async () => {
  const serve = (name: string) => new Svcm(bus.connection).add({ name, version: '1.0.0' });
  const all = ['accounts', 'catalog', 'routing', 'settlement', 'telemetry', 'trust'];
  expect(await missingComponents(bus.connection, 300)).toEqual(all);
  for (const name of all.filter((each) => each !== 'trust')) await serve(name);
  expect(await missingComponents(bus.connection, 300)).toEqual(['trust']);
});

test('a component has an ability if it runs and each of its copies announces it', async () => {
  const readGroups = () =>
    isAbleEverywhere(bus.connection, { component: 'settlement', ability: 'receipt_groups' }, 300);
  expect(await readGroups()).toBe(false);
  await bus.serve('settlement', []);
  await new Svcm(bus.connection).add({ name: 'catalog', version: '1.0.0' });
  expect(await readGroups()).toBe(true);
  const metadata = { process_version: '0.1.0' };
  const earlier = await new Svcm(bus.connection).add({
    name: 'settlement',
    version: '0.1.0',
    metadata,
  });
  expect(await readGroups()).toBe(false);
  await earlier.stop();
  expect(await readGroups()).toBe(true);
});
