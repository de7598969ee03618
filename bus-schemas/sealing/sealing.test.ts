import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { RECEIPT_SALT_BYTES } from '../bytes.ts';
import { SealError } from './job-seals.ts';
import { RelayRecipient } from './relay-recipient.ts';
import { RelaySenders } from './relay-senders.ts';
import { generateSealingKeyPair } from './suite.ts';

let provider: RelayRecipient;
const senders = new RelaySenders();
const name = { job: 'job_0123456789abcdefghijkl', attempt: 1 };

beforeAll(async () => {
  provider = new RelayRecipient(await generateSealingKeyPair());
});

async function pair(job = name) {
  const sender = await senders.sealFor({ ...job, recipient: provider.publicKey });
  return { sender, receiver: await provider.sealsFor({ ...job, enc: sender.enc }) };
}

const unopenable = expect.objectContaining({ name: 'SealError', code: 'unopenable' });
const failing = (run: () => unknown) => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe('a job sealed to a provider', () => {
  test('is opened by the other side, in both directions and for all contents', async () => {
    let attempt = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 10 }),
        async (messages) => {
          attempt += 1;
          const { sender, receiver } = await pair({ ...name, attempt });
          for (const [seq, message] of messages.entries()) {
            expect(receiver.openRequest(seq, sender.sealRequest(seq, message))).toEqual(message);
            expect(sender.openResponse(seq, receiver.sealResponse(seq, message))).toEqual(message);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('cannot be opened with a changed bit, a cut, or another number, direction, job or attempt', async () => {
    const { sender, receiver } = await pair();
    const sealed = sender.sealRequest(3, new TextEncoder().encode('prompt'));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = sealed.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(failing(() => receiver.openRequest(3, changed))).toEqual(unopenable);
    }
    for (let length = 0; length < sealed.length; length += 1)
      expect(failing(() => receiver.openRequest(3, sealed.subarray(0, length)))).toEqual(
        unopenable,
      );
    expect(failing(() => receiver.openRequest(2, sealed))).toEqual(unopenable);
    expect(failing(() => receiver.openResponse(3, sealed))).toEqual(unopenable);
    for (const other of [
      { ...name, attempt: 2 },
      { ...name, job: 'job_other56789abcdefghijkl' },
    ]) {
      const seals = await provider.sealsFor({ ...other, enc: sender.enc });
      expect(failing(() => seals.openRequest(3, sealed))).toEqual(unopenable);
    }
    const stranger = await new RelayRecipient(await generateSealingKeyPair()).sealsFor({
      ...name,
      enc: sender.enc,
    });
    expect(failing(() => stranger.openRequest(3, sealed))).toEqual(unopenable);
    expect(new TextDecoder().decode(receiver.openRequest(3, sealed))).toBe('prompt');
  });

  test('has the same receipt salt on both sides, and another one for each job, attempt and key', async () => {
    const { sender, receiver } = await pair();
    expect(sender.receiptSalt()).toEqual(receiver.receiptSalt());
    expect(sender.receiptSalt()).toHaveLength(RECEIPT_SALT_BYTES);
    const stranger = await new RelayRecipient(await generateSealingKeyPair()).sealsFor({
      ...name,
      enc: sender.enc,
    });
    const others = await Promise.all(
      [
        { ...name, attempt: 2 },
        { ...name, job: 'job_other56789abcdefghijkl' },
      ].map((other) => senders.sealFor({ ...other, recipient: provider.publicKey })),
    );
    const salts = [sender, stranger, ...others].map((seals) =>
      Buffer.from(seals.receiptSalt()).toString('hex'),
    );
    expect(new Set(salts).size).toBe(salts.length);
  });

  test('has each message number sealed only once, so that no nonce is used twice', async () => {
    const { sender } = await pair();
    sender.sealRequest(0, Uint8Array.of(1));
    expect(() => sender.sealRequest(0, Uint8Array.of(2))).toThrow(SealError);
  });

  test('is never answered under the same key twice when its order arrives again', async () => {
    const { sender } = await pair();
    const answers = await Promise.all(
      [1, 2].map(async () =>
        (await provider.sealsFor({ ...name, enc: sender.enc })).sealResponse(0, new Uint8Array(32)),
      ),
    );
    const [first, second] = answers.map((sealed) =>
      Buffer.from(sealed).subarray(16).toString('hex'),
    );
    expect(first).not.toBe(second);
    expect(sender.openResponse(0, answers[0] as Uint8Array)).toEqual(new Uint8Array(32));
    expect(failing(() => sender.openResponse(0, answers[1] as Uint8Array))).toEqual(unopenable);
  });

  test('has an answer that cannot be opened from its middle', async () => {
    const { sender, receiver } = await pair();
    receiver.sealResponse(0, Uint8Array.of(1));
    expect(
      failing(() => sender.openResponse(1, receiver.sealResponse(1, Uint8Array.of(2)))),
    ).toEqual(unopenable);
  });

  test('refuses message numbers that do not fit the nonce', async () => {
    const { sender, receiver } = await pair();
    const sealed = sender.sealRequest(0, Uint8Array.of(1));
    for (const seq of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(failing(() => sender.sealRequest(seq, Uint8Array.of(1)))).toMatchObject({
        code: 'number_out_of_range',
      });
      expect(failing(() => receiver.openRequest(seq, sealed))).toMatchObject({
        code: 'number_out_of_range',
      });
    }
    expect(
      receiver.openRequest(2 ** 32 - 1, sender.sealRequest(2 ** 32 - 1, Uint8Array.of(7))),
    ).toEqual(Uint8Array.of(7));
  });

  test('opens nothing after disposal, and has nothing sealed with a key of zeros', async () => {
    const { sender, receiver } = await pair();
    const sealed = sender.sealRequest(0, Uint8Array.of(1));
    receiver[Symbol.dispose]();
    expect(failing(() => receiver.openRequest(0, sealed))).toMatchObject({ code: 'forgotten' });
    expect(failing(() => receiver.sealResponse(0, Uint8Array.of(1)))).toMatchObject({
      code: 'forgotten',
    });
  });

  test('cannot be opened with a context that the sender did not make', async () => {
    const { sender } = await pair();
    const enc = (
      await senders.sealFor({ ...name, recipient: (await generateSealingKeyPair()).publicKey })
    ).enc;
    const receiver = await provider.sealsFor({ ...name, enc });
    expect(failing(() => receiver.openRequest(0, sender.sealRequest(0, Uint8Array.of(1))))).toEqual(
      unopenable,
    );
    await expect(provider.sealsFor({ ...name, enc: new Uint8Array(31) })).rejects.toThrow();
    await expect(provider.sealsFor({ ...name, enc: new Uint8Array(32) })).rejects.toThrow();
  });

  test('is refused for an invalid key, also at the second attempt', async () => {
    const aimless = new RelaySenders();
    for (const recipient of [new Uint8Array(31), new Uint8Array(32), new Uint8Array(31)]) {
      await expect(aimless.sealFor({ ...name, recipient })).rejects.toThrow();
    }
  });

  test('shares a context with other jobs until the context is too old', async () => {
    let now = 0;
    const aging = new RelaySenders(() => now);
    const at = (job: string) => aging.sealFor({ job, attempt: 1, recipient: provider.publicKey });
    const first = await at('job_a');
    expect((await at('job_b')).enc).toEqual(first.enc);
    now = 6 * 60_000;
    expect((await at('job_c')).enc).not.toEqual(first.enc);
  });
});
