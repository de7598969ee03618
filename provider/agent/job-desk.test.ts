import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import {
  generateSealingKeyPair,
  InferenceRequest,
  type JobOrder,
  newIngressId,
  newJobId,
  type Out,
  RelayRecipient,
  RelaySenders,
  SUITE_ID,
} from '#bus-schemas';
import { createSimulatedEngine } from '#simulator';
import { JobDesk } from './job-desk.ts';

const BUILD = 'sim-llama-8b-q4';

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
    send: (_ingress, _job, out) => void said.push(out),
    sign: ({ receipt, onSigned }) => onSigned(receipt),
    onReceipt: () => undefined,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    clock: () => performance.now(),
  });
  const job = newJobId();
  const seals = await new RelaySenders().sealFor({
    job,
    attempt: 1,
    recipient: recipient.publicKey,
  });
  const order: JobOrder = {
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
  };
  desk.order(order);
  await vi.waitFor(() =>
    expect(said).toEqual([{ t: 'refuse', attempt: 1, reason: 'model_not_loaded' }]),
  );
  expect(lines.join('')).toMatch(/"name":"TypeError"/);
  expect(lines.join('')).not.toContain('secret');
});
