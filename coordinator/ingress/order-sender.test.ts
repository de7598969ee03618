import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { JobOrder, SUITE_ID } from '#bus-schemas';
import { OrderSender } from './order-sender.ts';

function senderOf(parts: number) {
  const published: Uint8Array[] = [];
  const sender = new OrderSender({
    order: {
      job: 'job_0123456789abcdefghijkl',
      attempt: 1,
      ingress: 'in_000000000000',
      build: 'sim-q4',
      suite: SUITE_ID,
      enc: new Uint8Array(32),
      firstContentMs: 10,
      promptTokens: 1,
      maxOutputTokens: 1,
      window: 1,
    },
    parts: Array.from({ length: parts }, (_, part) => Uint8Array.of(part)),
    publish: (order) => void published.push(order),
  });
  return { sender, published, sent: () => published.map((order) => JobOrder.decode(order).part) };
}

test('an order of one part is sent at once', () => {
  const { sender, sent } = senderOf(1);
  sender.send();
  expect(sent()).toEqual([0]);
  expect(sender.isSending).toBe(false);
});

test('an order of several parts is sent in as many turns, and again with the same bytes', async () => {
  const { sender, published, sent } = senderOf(3);
  sender.send();
  expect(sent()).toEqual([0]);
  expect(sender.isSending).toBe(true);
  await setImmediate();
  expect(sent()).toEqual([0, 1]);
  while (sender.isSending) await setImmediate();
  sender.send();
  while (sender.isSending) await setImmediate();
  expect(sent()).toEqual([0, 1, 2, 0, 1, 2]);
  expect(published.slice(3)).toEqual(published.slice(0, 3));
});

test('an order that is stopped sends no further part', async () => {
  const { sender, sent } = senderOf(3);
  sender.send();
  sender.stop();
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
  expect(sent()).toEqual([0]);
});
