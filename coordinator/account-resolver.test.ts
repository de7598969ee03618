import { TimeoutError } from '@nats-io/nats-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectToServer } from '#bus-schemas';
import type { NatsNode } from '#network';
import { startBareHub } from '#testcontainers';
import { replaceAccount } from './account-resolver.ts';

let hub: NatsNode;
beforeEach(async () => {
  hub = await startBareHub();
});
afterEach(() => hub[Symbol.asyncDispose]());

/** Answers as the resolver of a hub does, but not the first `lost` requests. */
async function replaceWithLoss(lost: number): Promise<number> {
  const connection = await connectToServer({ servers: [hub.clientUrl] });
  let received = 0;
  try {
    connection.subscribe('$SYS.REQ.CLAIMS.UPDATE', {
      callback: (_error, message) => {
        received += 1;
        if (received > lost) message.respond(JSON.stringify({ data: { code: 200 } }));
      },
    });
    await replaceAccount(connection, 'the token of an account');
    return received;
  } finally {
    await connection.close();
  }
}

test('a request to the resolver that is lost is repeated, at most twice', async () => {
  expect(await replaceWithLoss(0)).toBe(1);
  expect(await replaceWithLoss(2)).toBe(3);
  await expect(replaceWithLoss(3)).rejects.toThrow(TimeoutError);
}, 60_000);
