import { setImmediate as turnEnd } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import {
  generateSealingKeyPair,
  InferenceRequest,
  isSignedReceipt,
  type JobOrder,
  newIngressId,
  newJobId,
  newP256Key,
  type Out,
  p256Signer,
  type Receipt,
  RelayRecipient,
  RelaySenders,
  SUITE_ID,
} from '#bus-schemas';
import { createSimulatedEngine } from '#simulator';
import { JobDesk } from './job-desk.ts';
import { ReceiptSigner } from './receipt-signer.ts';

const BUILD = 'sim-llama-8b-q4';

/** An order of five tokens, sealed for the machine. */
async function orderFor(
  recipient: RelayRecipient,
  changes: Partial<JobOrder> = {},
): Promise<JobOrder> {
  const job = newJobId();
  const seals = await new RelaySenders().sealFor({
    job,
    attempt: 1,
    recipient: recipient.publicKey,
  });
  return {
    job,
    attempt: 1,
    ingress: newIngressId(),
    build: BUILD,
    suite: SUITE_ID,
    enc: seals.enc,
    firstContentMs: 9_000,
    promptTokens: 10,
    maxOutputTokens: 10,
    window: 64,
    part: 0,
    parts: 1,
    sealed: seals.sealRequest(
      0,
      InferenceRequest.encode({
        chat: { messages: [{ role: 'user', content: 'my secret prompt' }], max_tokens: 5 },
      }),
    ),
    ...changes,
  };
}

test('an exception in the engine refuses only its job, and its message reaches no log', async () => {
  const lines: string[] = [];
  const recipient = new RelayRecipient(await generateSealingKeyPair());
  await using engine = createSimulatedEngine({ chip: 'm4-max', tokenMs: 1 });
  engine.generate = () => {
    throw new TypeError('cannot read my secret prompt');
  };
  const said: Out[] = [];
  const desk = new JobDesk({
    engine,
    slots: () => engine.slots(),
    recipients: () => [recipient],
    sendFrame: () => {},
    sendReply: (_ingress, _job, out) => void said.push(out),
    sign: ({ receipt, onSigned }) => onSigned(receipt),
    onReceipt: () => undefined,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    clock: () => performance.now(),
  });
  desk.order(await orderFor(recipient));
  await vi.waitFor(() =>
    expect(said).toEqual([{ t: 'refuse', attempt: 1, reason: 'model_not_loaded' }]),
  );
  expect(lines.join('')).toMatch(/"name":"TypeError"/);
  expect(lines.join('')).not.toContain('secret');
});

test('answers that end in one turn share a signature, except those for an ingress that reads no groups', async () => {
  const recipient = new RelayRecipient(await generateSealingKeyPair());
  await using engine = createSimulatedEngine({ chip: 'm4-max', tokenMs: 60_000 });
  using signer = new ReceiptSigner(p256Signer(newP256Key()), pino({ level: 'silent' }));
  const sent: Receipt[] = [];
  const receipts = new Map<string, Receipt>();
  const desk = new JobDesk({
    engine,
    slots: () => engine.slots(),
    recipients: () => [recipient],
    sendFrame: (_, { receipt }) => void (receipt && sent.push(receipt)),
    sendReply: () => {},
    sign: (request) => signer.sign(request),
    onReceipt: (receipt) => void receipts.set(receipt.job, receipt),
    log: pino({ level: 'silent' }),
    clock: () => performance.now(),
  });
  const [one, other, older] = [
    await orderFor(recipient, { groups: true }),
    await orderFor(recipient, { groups: true }),
    await orderFor(recipient),
  ];
  for (const order of [one, other, older]) desk.order(order);
  await vi.waitFor(() => expect(desk.running).toBe(3));
  desk.cancelAll();
  await turnEnd();
  await vi.waitFor(() => expect(receipts.size).toBe(3));
  const [first, second, alone] = [one, other, older].map(({ job }) => receipts.get(job) as Receipt);
  expect([first, second, alone].map((receipt) => isSignedReceipt(receipt as Receipt))).toEqual([
    true,
    true,
    true,
  ]);
  expect(first?.group).toBeDefined();
  expect(second?.signature).toEqual(first?.signature);
  expect(alone?.group).toBeUndefined();
  expect(sent.toSorted((a, b) => a.job.localeCompare(b.job))).toEqual(
    [...receipts.values()].toSorted((a, b) => a.job.localeCompare(b.job)),
  );
});
