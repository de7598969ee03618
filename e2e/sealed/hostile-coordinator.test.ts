import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  ed25519Signer,
  generateSealingKeyPair,
  hex,
  newEd25519Key,
  newP256Key,
  p256Signer,
  printEvidence,
  readPrintedEvidence,
  services,
  signEvidence,
  signHead,
} from '#bus-schemas';
import { simulatedModels } from '#simulator';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import {
  answerOf,
  openJob,
  type Rewrite,
  requestFor,
  startCustomer,
  startLiar,
  type Tamper,
  wishFor,
} from './sealed-network.ts';

// Here the coordinator is the attacker. It tries to make a customer seal a request for a wrong key,
// or accept a forged answer.

let network: TestNetwork;
let attackerKey: string;
/**
 * API key of a new customer in each test, because a key that rejects offers may open few sessions.
 */
let own: { apiKey: string };
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 2 });
  attackerKey = hex((await generateSealingKeyPair()).publicKey);
}, 60_000);
beforeEach(async () => {
  own = await network.createKey({ creditMicroUsd: 10_000_000 });
});
afterAll(() => network[Symbol.asyncDispose]());

const request = requestFor('Nobody else should read this', 40);

/**
 * Sends a request through a lying coordinator, and returns the answer that its customer accepts.
 */
async function askThrough(tamper: Tamper): Promise<unknown> {
  await using liar = await startLiar(network.url, tamper);
  await using customer = await startCustomer(liar.url);
  return await answerOf(
    customer.client.run(await openJob(customer, own, request), `Bearer ${own.apiKey}`),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: a JSON value that tests change in any way
type Changed = any;
const onSession =
  (change: (session: Changed) => void): Tamper =>
  ({ path, text }) => {
    if (path !== '/v1/sealed/sessions') return undefined;
    const session = JSON.parse(text);
    change(session);
    return JSON.stringify(session);
  };
/** Replaces the evidence of the offer by one that the attacker has signed with their own key. */
function resigned(session: Changed, changes: object = {}): void {
  const evidence = readPrintedEvidence(session.offer.evidence);
  if (evidence === undefined) throw new Error('no evidence');
  session.offer.evidence = printEvidence(
    signEvidence(p256Signer(newP256Key()), {
      ...evidence,
      sealingKey: Buffer.from(attackerKey, 'hex'),
      ...changes,
    }),
  );
  session.offer.sealing_key = attackerKey;
}

test('the proxy of these tests changes nothing by itself', async () => {
  await expect(askThrough(() => undefined)).resolves.toMatchObject({ attempts: 1 });
});

describe('a client seals nothing for a key that', () => {
  test.each<[string, (session: Changed) => void, RegExp]>([
    [
      'the attacker put in place of the machine’s key',
      ({ offer }) => {
        offer.sealing_key = attackerKey;
      },
      /its sealing key is not the one that it has signed/,
    ],
    [
      'the attacker put into the machine’s evidence too',
      ({ offer }) => {
        offer.sealing_key = attackerKey;
        offer.evidence.sealing_key = attackerKey;
      },
      /not signed by it/,
    ],
    [
      'is in evidence that the attacker signed',
      (session) => resigned(session),
      /its key is not in the log/,
    ],
    [
      'belongs to a machine that was never enrolled',
      (session) => {
        const provider = `A${'Q'.repeat(55)}`;
        resigned(session, { provider });
        session.offer.provider = provider;
      },
      /its key is not in the log/,
    ],
    [
      'has a higher trust level than the log contains',
      ({ offer }) => {
        offer.level = 'hardware';
      },
      /its key is not in the log/,
    ],
    [
      'is for an unknown suite',
      ({ offer }) => {
        offer.suite = 'x25519-sha256-none';
      },
      /it does not use the cipher suite/,
    ],
    [
      'has evidence from an hour ago',
      ({ offer }) => {
        offer.evidence.at -= 3_600_000;
      },
      /its evidence is too old/,
    ],
    [
      'has evidence from an hour in the future',
      ({ offer }) => {
        offer.evidence.at += 3_600_000;
      },
      /its evidence is too old, or dated in the future/,
    ],
    [
      'has truncated evidence',
      ({ offer }) => {
        offer.evidence.signature = offer.evidence.signature.slice(0, 100);
      },
      /the answer to the new session has an unknown format/i,
    ],
    [
      'has the evidence of another machine',
      ({ offer }) => {
        offer.provider = `A${'Q'.repeat(55)}`;
      },
      /its evidence belongs to another machine/,
    ],
  ])('%s', async (_, change, why) => {
    const error = await askThrough(onSession(change)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'SealedError' });
    expect(String(error)).toMatch(why);
  });

  test('was refused before, if it comes again with the signing key of the true machine', async () => {
    let [first, trueKey]: Changed[] = [];
    await using liar = await startLiar(
      network.url,
      onSession((session) => {
        trueKey ??= session.offer.evidence.signing_key;
        resigned(session);
        if (first === undefined) first = session.offer;
        else session.offer = { ...first, evidence: { ...first.evidence, signing_key: trueKey } };
      }),
    );
    await using customer = await startCustomer(liar.url);
    const ask = async () =>
      answerOf(customer.client.run(await openJob(customer, own, request), `Bearer ${own.apiKey}`));
    await expect(ask()).rejects.toThrow(/its key is not in the log/);
    await expect(ask()).rejects.toThrow(/not signed by it/);
  });

  test('is for a job that was sealed before: otherwise two requests would share key and nonce', async () => {
    let named: Changed;
    await using liar = await startLiar(
      network.url,
      onSession((session) => {
        named ??= session.id;
        session.id = named;
      }),
    );
    await using customer = await startCustomer(liar.url);
    const ask = async () =>
      answerOf(customer.client.run(await openJob(customer, own, request), `Bearer ${own.apiKey}`));
    await ask();
    await expect(ask()).rejects.toThrow(
      /assigned the id of a job that was sealed before|no such session/,
    );
  });

  test('belongs to a machine whose code is not an active release in the log', async () => {
    const hideReleases: Tamper = ({ path, text }) =>
      path === '/v1/releases' ? JSON.stringify({ ...JSON.parse(text), data: [] }) : undefined;
    await expect(askThrough(hideReleases)).rejects.toThrow(/runs no active release/);
    const renamed: Tamper = ({ path, text }) =>
      path === '/v1/releases' ? text.replace(/"version":"[^"]*"/g, '"version":"9.9.9"') : undefined;
    await expect(askThrough(renamed)).rejects.toThrow(/its release is not in the log/);
  });

  test('is not held by hardware if the customer demands hardware', async () => {
    await using customer = await startCustomer(network.url, { minimumLevel: 'hardware' });
    await expect(openJob(customer, own, request)).rejects.toMatchObject({
      status: 503,
      code: 'no_provider',
    });
    await using less = await startCustomer(network.url);
    const job = await openJob(less, own, request);
    await expect(answerOf(customer.client.run(job, `Bearer ${own.apiKey}`))).rejects.toThrow(
      /its trust level is self_signed, and at least hardware is required/,
    );
  });
});

describe('a coordinator that orders another model than the customer requested', () => {
  const ASKED = 'sim-qwen-32b';
  const ordering =
    (model: string): Rewrite =>
    ({ path, body }) =>
      path === '/v1/sealed/sessions'
        ? Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), model }))
        : undefined;

  async function askFor(
    model: string,
    rewrite: Rewrite,
    tamper: Tamper = () => undefined,
  ): Promise<unknown> {
    await using liar = await startLiar(network.url, tamper, rewrite);
    await using customer = await startCustomer(liar.url);
    const wish = { ...wishFor(request), model };
    const place = await customer.client.open(wish, `Bearer ${own.apiKey}`);
    return await answerOf(customer.client.run({ wish, request, place }, `Bearer ${own.apiKey}`));
  }

  test('is detected by means of the log if it names the build that it orders', async () => {
    await expect(askFor('sim', ordering(ASKED))).rejects.toThrow(
      /the log has no entry that its build .* serves sim/,
    );
    await expect(askFor(ASKED, ordering(ASKED))).resolves.toMatchObject({ attempts: 1 });
  });

  test('is refused by the machine if it names the build that was requested', async () => {
    const builds = new Map(simulatedModels.map(({ id, builds: [first] }) => [id, first]));
    const renamed = onSession(({ offer }) => {
      offer.build = builds.get(ASKED);
    });
    await expect(askFor(ASKED, ordering('sim'), renamed)).rejects.toMatchObject({
      status: 400,
      code: 'invalid_request',
    });
  });

  test('is detected by means of the log if the machine does not have the weights that the operator pinned', async () => {
    const model = simulatedModels.find(({ id }) => id === 'sim-llama-8b');
    if (model === undefined) throw new Error('the simulator has no sim-llama-8b');
    const pinned = {
      ...model,
      id: 'pinned',
      createdAt: 1,
      weights: Object.fromEntries(model.builds.map((build) => [build, 'ab'.repeat(32)])),
    };
    await network.network.coordinator.bus.call(
      services.catalog.putModel,
      { model: pinned },
      { timeoutMs: 5_000 },
    );
    await expect(askFor('pinned', ordering(model.id))).rejects.toThrow(
      /with its weights, serves pinned/,
    );
  });
});

describe('an answer whose frames', () => {
  const onFrames =
    (change: (frames: string[]) => string[]): Tamper =>
    ({ path, text }) =>
      path.startsWith('/v1/sealed/jobs/')
        ? change(text.split('\n\n').filter((frame) => frame !== ''))
            .map((frame) => `${frame}\n\n`)
            .join('')
        : undefined;
  const edit = (frame: string | undefined, change: (data: Changed) => void): string => {
    const data = JSON.parse((frame ?? '').slice('data: '.length));
    change(data);
    return `data: ${JSON.stringify(data)}`;
  };

  test.each<[string, (frames: string[]) => string[], string]>([
    [
      'were reordered',
      ([first, second, third, ...rest]) => [first, third, second, ...rest] as string[],
      'unopenable_frame',
    ],
    [
      'were reordered and renumbered',
      ([first, second, third, ...rest]) =>
        [
          first,
          edit(third, (data) => (data.seq = 1)),
          edit(second, (data) => (data.seq = 2)),
          ...rest,
        ] as string[],
      'unopenable_frame',
    ],
    ['were dropped', ([first, , ...rest]) => [first, ...rest] as string[], 'unopenable_frame'],
    [
      'were repeated',
      ([first, second, ...rest]) => [first, second, second, ...rest] as string[],
      'unopenable_frame',
    ],
    [
      'were changed by one bit',
      ([first, second, ...rest]) =>
        [
          first,
          edit(second, (data) => {
            const bytes = Buffer.from(data.sealed, 'base64');
            bytes[3] = (bytes[3] as number) ^ 1;
            data.sealed = bytes.toString('base64');
          }),
          ...rest,
        ] as string[],
      'unopenable_frame',
    ],
    [
      'are billed for more tokens than they contain',
      ([first, ...rest]) => [edit(first, (data) => (data.tokens += 1)), ...rest],
      'false_outline',
    ],
    [
      'end with a usage that is too high',
      (frames) => [
        ...frames.slice(0, -1),
        edit(frames.at(-1), (data) => (data.end.usage.promptTokens += 1)),
      ],
      'false_outline',
    ],
    ['end too early', (frames) => frames.slice(0, -1), 'stream_cut'],
    ['are not frames', () => ['data: "hello"'], 'unreadable_answer'],
  ])('%s is rejected', async (_, change, code) => {
    await expect(askThrough(onFrames(change))).rejects.toMatchObject({ code });
  });

  test('come from another job is rejected', async () => {
    let recorded: string | undefined;
    const replay: Tamper = ({ path, text }) => {
      if (!path.startsWith('/v1/sealed/jobs/')) return undefined;
      recorded ??= text;
      return recorded;
    };
    await askThrough(replay);
    await expect(askThrough(replay)).rejects.toMatchObject({ code: 'unopenable_frame' });
  });
});

describe('a log that', () => {
  const onHead =
    (change: (head: Changed) => Changed): Tamper =>
    ({ path, text }) =>
      path === '/v1/transparency/head' ? JSON.stringify(change(JSON.parse(text))) : undefined;
  const signedWith = (pem: string, { size, root, at }: Changed) => {
    const head = signHead(ed25519Signer(pem), { size, at, root: Buffer.from(root, 'hex') });
    return { size, at, root, key: hex(head.key), signature: hex(head.signature) };
  };

  test('is signed with another key than before is rejected', async () => {
    await using customer = await startCustomer(network.url);
    const { key } = await customer.client.log.refresh();
    const stranger = newEd25519Key();
    await using liar = await startLiar(
      network.url,
      onHead((head) => signedWith(stranger, head)),
    );
    await using victim = await startCustomer(liar.url, { logKey: hex(key) });
    await expect(victim.client.log.refresh()).rejects.toMatchObject({ code: 'log_key_changed' });
  });

  test('has an invalid signature is rejected', async () => {
    await using liar = await startLiar(
      network.url,
      onHead((head) => ({ ...head, size: head.size + 1 })),
    );
    await using victim = await startCustomer(liar.url);
    await expect(victim.client.log.refresh()).rejects.toMatchObject({ code: 'log_forked' });
  });

  test('has an old head with a valid signature is rejected', async () => {
    const own = await readFile(join(network.network.home, 'keys', 'log.pem'), 'utf8');
    await using liar = await startLiar(
      network.url,
      onHead((head) => signedWith(own, { ...head, at: head.at - 3_600_000 })),
    );
    await using victim = await startCustomer(liar.url);
    await expect(victim.client.log.refresh()).rejects.toMatchObject({ code: 'log_stale' });
  });

  test('forks between two concurrent reads is detected: the second is compared with the first', async () => {
    const own = await readFile(join(network.network.home, 'keys', 'log.pem'), 'utf8');
    let looks = 0;
    const fork = onHead((head) =>
      signedWith(own, { ...head, root: looks++ === 0 ? head.root : 'ef'.repeat(32) }),
    );
    await using liar = await startLiar(network.url, fork);
    await using victim = await startCustomer(liar.url);
    const [first, second] = await Promise.allSettled([
      victim.client.log.refresh(),
      victim.client.log.refresh(),
    ]);
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('forks with valid signatures is detected by every client that read it before', async () => {
    const own = await readFile(join(network.network.home, 'keys', 'log.pem'), 'utf8');
    let forked = false;
    const fork = onHead((head) =>
      forked ? signedWith(own, { ...head, root: 'ab'.repeat(32) }) : head,
    );
    await using liar = await startLiar(network.url, fork);
    await using victim = await startCustomer(liar.url);
    await victim.client.log.refresh();
    forked = true;
    await expect(victim.client.log.refresh()).rejects.toMatchObject({ code: 'log_forked' });
  });

  test('forks for one customer only cannot prove to them that it contains a key', async () => {
    const own = await readFile(join(network.network.home, 'keys', 'log.pem'), 'utf8');
    await expect(
      askThrough(onHead((head) => signedWith(own, { ...head, root: 'cd'.repeat(32) }))),
    ).rejects.toThrow(/its key is not in the log/);
  });
});
