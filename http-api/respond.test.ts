import { once } from 'node:events';
import {
  createServer,
  get,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { LongJson } from './core/long-json.ts';
import { sendLongJson } from './respond.ts';

const ITEMS = Array.from({ length: 400 }, (_, at) => `${at} ${'x'.repeat(50_000)}`);

/** Answers a request with a long list: the answer as its client gets it, and the end of its sending. */
async function asked(server: Server, items: Iterable<unknown>) {
  const sent = Promise.withResolvers<ServerResponse>();
  server.on('request', (_, response) => {
    void sendLongJson(response, 200, new LongJson({ list: Iterator.from(items), last: 1 })).then(
      () => sent.resolve(response),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const [answer] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [
    IncomingMessage,
  ];
  return { answer, sent: sent.promise };
}

test('a long answer arrives whole, in several turns', async () => {
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  });
  await using server = createServer();
  const { answer, sent } = await asked(server, ITEMS);
  expect(await json(answer)).toEqual({ list: ITEMS, last: 1 });
  await sent;
  clearInterval(counting);
  expect(turns).toBeGreaterThan(2);
});

test('no more of a long answer is read than the client takes, and none after it has left', async () => {
  let read = 0;
  const items = function* () {
    for (const item of ITEMS) {
      read += 1;
      yield item;
    }
  };
  await using server = createServer();
  const { answer, sent } = await asked(server, items());
  answer.destroy();
  const response = await sent;
  expect(response.destroyed).toBe(true);
  expect(read).toBeLessThan(ITEMS.length);
});
