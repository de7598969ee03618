import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { consumers, eventStreams } from '#bus-schemas';
import { startTestHub } from '#testcontainers';
import { Bus } from './bus.ts';
import { ensureStreams } from './streams.ts';

test('streams and durable consumers are created once, and repaired after they were changed', async () => {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startTestHub());
  const connection = await connect({ servers: hub.clientUrl });
  stack.defer(() => connection.close());
  const bus = new Bus(connection);
  await ensureStreams(bus);

  const manager = await bus.manager();
  const { stream, name, filter } = consumers.settlementJobs;
  await manager.streams.update(stream, { max_age: 3_600e9 });
  await ensureStreams(bus);
  await expect(ensureStreams(bus, { count: 3, mayLower: true })).rejects.toMatchObject({
    code: 'too_few_hubs',
    message: expect.stringMatching(/^JetStream cannot keep 3 replicas of the stream JOBS: .*hub/),
  });
  const wanted = eventStreams.find((each) => each.name === stream);
  expect((await manager.streams.info(stream)).config).toMatchObject({
    subjects: wanted?.subjects,
    max_age: (wanted?.maxAgeHours ?? 0) * 3_600e9,
  });
  expect((await manager.consumers.info(stream, name)).config).toMatchObject({
    durable_name: name,
    filter_subject: filter,
    ack_policy: 'explicit',
  });
});
