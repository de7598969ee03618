import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Flow, newIngressId, newJobId } from '#bus-schemas';
import { DeliveryProofs } from '#coordinator/delivery-proofs.ts';
import { type FlowReport, FlowSender } from './flow-sender.ts';

const PROVIDERS = [`A${'B'.repeat(55)}`, `A${'C'.repeat(55)}`] as const;
const report = (received: number): FlowReport => ({
  job: newJobId(),
  attempt: 1,
  received,
  window: received + 8,
  resend: false,
  deliveredTokens: 0,
});

let sent: { subject: string; received: number[] }[];
let sender: FlowSender;
beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  sender = new FlowSender({
    ingress: newIngressId(),
    proofs: new DeliveryProofs('a secret of the components'),
    publish: (subject, payload) => {
      const { jobs } = Flow.decode(payload);
      sent.push({ subject, received: jobs.map(({ received }) => received) });
    },
  });
});
afterEach(() => {
  sender[Symbol.dispose]();
  vi.useRealTimers();
});

test('the reports of complete streams wait for one another', () => {
  for (let stream = 1; stream <= 5; stream += 1) {
    sender.report(PROVIDERS[0], report(stream), { isComplete: true });
    vi.advanceTimersByTime(25);
  }
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(25);
  expect(sent.map(({ received }) => received)).toEqual([[1, 2, 3, 4, 5]]);
});

test('a report of a stream that goes on takes complete ones with it, also those of other providers', () => {
  sender.report(PROVIDERS[0], report(1), { isComplete: true });
  sender.report(PROVIDERS[1], report(2));
  vi.advanceTimersByTime(20);
  expect(sent.flatMap(({ received }) => received)).toEqual([1, 2]);
  vi.advanceTimersByTime(1_000);
  expect(sent).toHaveLength(2);
});

test('all reports that wait are sent when the ingress stops', () => {
  sender.report(PROVIDERS[0], report(1), { isComplete: true });
  sender[Symbol.dispose]();
  expect(sent.flatMap(({ received }) => received)).toEqual([1]);
});
