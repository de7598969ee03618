import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JobSeals, SealErrorCode } from './job-seals.ts';
import { RelayRecipient } from './relay-recipient.ts';
import { RelaySenders } from './relay-senders.ts';
import { generateSealingKeyPair } from './suite.ts';

/**
 * Two messages under the same key and nonce would reveal both texts. All messages here are zeros,
 * so a sealed message is the keystream itself, and two equal ones show that key and nonce were used
 * twice. The test stores what the programs store: an ingress counts the attempts of a job, and a
 * provider runs each attempt once while it has a record of it.
 */
const INGRESSES = 2;
const PROVIDERS = 2;
const ZEROS = new Uint8Array(32);
const TAG_BYTES = 16;
const OTHER = new Uint8Array(32).fill(1);

type Happening =
  /** Jobs that arrive at the same moment and share a context that is still being created. */
  | { what: 'order'; ingress: number; provider: number; jobs: number[] }
  | { what: 'say'; line: number; skip: number }
  | { what: 'say again'; line: number; back: number }
  | { what: 'say past the last number'; line: number; by: number }
  | { what: 'resend'; line: number; back: number }
  | { what: 'open the order again'; line: number }
  | { what: 'wait'; ms: number }
  | { what: 'restart'; provider: number }
  | { what: 'forget'; line: number };

const [line, back, provider] = [
  fc.nat({ max: 50 }),
  fc.nat({ max: 50 }),
  fc.nat({ max: PROVIDERS - 1 }),
];
const skip = fc.constantFrom(0, 0, 0, 1, 2, 255, 256, 65_535, 65_536, 2 ** 24);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant('order' as const),
      ingress: fc.nat({ max: INGRESSES - 1 }),
      provider,
      jobs: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 15, arbitrary: fc.record({ what: fc.constant('say' as const), line, skip }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('say again' as const), line, back }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('say past the last number' as const),
      line,
      by: fc.nat({ max: 300 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('resend' as const), line, back }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('open the order again' as const), line }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.nat({ max: 6 * 60_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const), provider }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('forget' as const), line }) },
);

/** One direction of one attempt, with all messages that were sealed in it. */
interface Line {
  readonly name: string;
  readonly seal: (seq: number, plain: Uint8Array) => Uint8Array;
  readonly open: (seq: number, sealed: Uint8Array) => Uint8Array;
  readonly openOrderAgain: () => Promise<JobSeals>;
  readonly forget: () => void;
  readonly said: { readonly seq: number; readonly bytes: Uint8Array; readonly copy: string }[];
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const chosen = <T>(list: readonly T[], index: number): T | undefined => list[index % list.length];

/**
 * Returns the code of the error. If no error is thrown, the returned bytes differ from every code.
 */
function refusalOf(seal: () => Uint8Array): unknown {
  try {
    return seal();
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

class Network {
  readonly #keystreams: Map<string, string>;
  readonly #forgotten = new Set<string>();
  readonly #attempts = new Map<string, number>();
  readonly #ingresses = Array.from({ length: INGRESSES }, () => new RelaySenders(() => this.#now));
  readonly #providers: RelayRecipient[] = [];
  readonly #lines: Line[] = [];
  #now = 0;

  constructor(keystreams: Map<string, string>) {
    this.#keystreams = keystreams;
  }

  async restart(index: number): Promise<void> {
    this.#providers[index] = new RelayRecipient(await generateSealingKeyPair());
  }

  async happen(event: Happening): Promise<unknown> {
    switch (event.what) {
      case 'order':
        return Promise.all(
          event.jobs.map((job) => this.#order(event.ingress, event.provider, job)),
        );
      case 'wait':
        this.#now += event.ms;
        return;
      case 'restart':
        return this.restart(event.provider);
      default: {
        const on = chosen(this.#lines, event.line);
        return on && this.#happenOn(on, event);
      }
    }
  }

  async #order(ingress: number, provider: number, number: number): Promise<void> {
    const job = `job_${number}`;
    const key = `${ingress} ${job}`;
    const attempt = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempt);
    const [senders, recipient] = [this.#ingresses[ingress], this.#providers[provider]];
    if (senders === undefined || recipient === undefined)
      throw new RangeError('there is no such ingress or provider');
    const sender = await senders.sealFor({ job, attempt, recipient: recipient.publicKey });
    const receiver = await recipient.sealsFor({ job, attempt, enc: sender.enc });
    const name = `${hexOf(recipient.publicKey)} ${key} ${attempt}`;
    const shared = {
      openOrderAgain: () => recipient.sealsFor({ job, attempt, enc: sender.enc }),
      forget: () => {
        sender[Symbol.dispose]();
        receiver[Symbol.dispose]();
        for (const direction of ['request', 'response'])
          this.#forgotten.add(`${name} ${direction}`);
      },
    };
    this.#lines.push(
      {
        ...shared,
        name: `${name} request`,
        said: [],
        seal: sender.sealRequest.bind(sender),
        open: receiver.openRequest.bind(receiver),
      },
      {
        ...shared,
        name: `${name} response`,
        said: [],
        seal: receiver.sealResponse.bind(receiver),
        open: sender.openResponse.bind(sender),
      },
    );
  }

  async #happenOn(on: Line, event: Extract<Happening, { line: number }>): Promise<void> {
    const isForgotten = this.#forgotten.has(on.name);
    const refused = (code: SealErrorCode) => (isForgotten ? 'forgotten' : code);
    switch (event.what) {
      case 'say': {
        const last = on.said.at(-1);
        // The receiver must open message 0 of an answer first.
        const seq = last === undefined ? 0 : last.seq + 1 + event.skip;
        if (isForgotten) expect(refusalOf(() => on.seal(seq, ZEROS))).toBe('forgotten');
        else this.#say(on, seq);
        return;
      }
      case 'say again': {
        const before = chosen(on.said, event.back);
        if (before)
          for (const plain of [ZEROS, OTHER])
            expect(refusalOf(() => on.seal(before.seq, plain))).toBe(refused('repeated_number'));
        return;
      }
      case 'say past the last number':
        expect(refusalOf(() => on.seal(2 ** 32 + event.by, OTHER))).toBe(
          refused('number_out_of_range'),
        );
        return;
      case 'resend': {
        const before = chosen(on.said, event.back);
        if (before === undefined) return;
        expect(hexOf(before.bytes)).toBe(before.copy);
        if (!isForgotten) expect(on.open(before.seq, before.bytes)).toEqual(ZEROS);
        return;
      }
      case 'open the order again': {
        using copy = await on.openOrderAgain();
        const first = on.said[0];
        if (first && on.name.endsWith('request'))
          expect(copy.openRequest(first.seq, first.bytes)).toEqual(ZEROS);
        // When an attempt runs a second time, its answer has another key.
        else this.#keepNew(copy.sealResponse(0, ZEROS), `${on.name} again`);
        return;
      }
      case 'forget':
        on.forget();
    }
  }

  #say(on: Line, seq: number): void {
    const bytes = on.seal(seq, ZEROS);
    this.#keepNew(bytes, `${on.name} ${seq}`);
    on.said.push({ seq, bytes, copy: hexOf(bytes) });
    expect(on.open(seq, bytes)).toEqual(ZEROS);
  }

  #keepNew(sealed: Uint8Array, whose: string): void {
    const keystream = hexOf(sealed.subarray(-TAG_BYTES - ZEROS.length, -TAG_BYTES));
    expect(this.#keystreams.get(keystream), whose).toBeUndefined();
    this.#keystreams.set(keystream, whose);
  }
}

test('no key is used twice with one nonce: in any order of orders, retries, rotations, repeated seals, resends, deletions and restarts', async () => {
  const keystreams = new Map<string, string>();
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 150, size: 'max' }), async (happenings) => {
      const network = new Network(keystreams);
      for (let index = 0; index < PROVIDERS; index += 1) await network.restart(index);
      for (const event of happenings) await network.happen(event);
    }),
    { numRuns: 60 },
  );
  expect(keystreams.size).toBeGreaterThan(500);
});
