import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startTestHub } from '#testcontainers';
import { connectToServer } from './connect.ts';

const MESSAGES = 2_000;
const PAYLOAD = new Uint8Array(1_024);

test('a process with more messages than it can handle goes on with its other work', async () => {
  await using hub = await startTestHub();
  const sender = await connectToServer({ servers: hub.clientUrl });
  const receiver = await connectToServer({ servers: hub.clientUrl });
  let received = 0;
  receiver.subscribe('work', {
    callback: () => {
      received += 1;
      const end = performance.now() + 0.5;
      while (performance.now() < end);
    },
  });
  await receiver.flush();
  for (let sent = 0; sent < MESSAGES; sent += 1) sender.publish('work', PAYLOAD);
  await sender.flush();
  let mostInATurn = 0;
  for (let before = 0; received < MESSAGES; before = received) {
    await turn();
    mostInATurn = Math.max(mostInATurn, received - before);
  }
  // A turn ends with the chunk in which its time is over, which has 60 messages.
  expect(mostInATurn).toBeLessThan(MESSAGES / 4);
  await Promise.all([sender.close(), receiver.close()]);
});
