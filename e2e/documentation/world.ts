import { createHash } from 'node:crypto';
import { Client } from 'pg';
import {
  events,
  fromHex,
  InferenceRequest,
  Nkey,
  RelaySenders,
  SettlementPosted,
  services,
} from '#bus-schemas';
import type { FakeStripe } from '#testcontainers';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * A network with everything that a documented call names: a person with a key, money and machines,
 * an operator, Stripe.
 */

export interface World {
  readonly network: TestNetwork;
  readonly stripe: FakeStripe;
  readonly person: Person;
  readonly apiKey: string;
  readonly operatorKey: string;
}

export interface SealedOrder {
  readonly job: string;
  readonly body: Buffer;
}

const CALL = { timeoutMs: 10_000 };
const OPERATOR_KEY = 'op-db-of-the-documented-calls';
const CREDIT_MICRO_USD = 50_000_000;

export async function startDocumentedNetwork(stripe: FakeStripe): Promise<TestNetwork> {
  const network = await startTestNetwork({
    // Simulated answers go on until their limit.
    providers: 2,
    tokenMs: 1,
    maxOutputTokens: 200,
    config: {
      admin: { host: '127.0.0.1', port: 0 },
      stripe: { apiKey: stripe.apiKey, webhookSecret: stripe.webhookSecret, url: stripe.url },
      addressLimit: 1_000,
    },
  });
  // The snippets ask for the model that `npm start` runs.
  await network.network.putModels([], [{ alias: 'tiny', model: 'sim-llama-8b' }]);
  return network;
}

export async function startWorld(network: TestNetwork, stripe: FakeStripe): Promise<World> {
  const { bus } = network.network.coordinator;
  await bus.call(
    services.accounts.createOperator,
    { name: 'otto', keyHash: createHash('sha256').update(OPERATOR_KEY).digest() },
    CALL,
  );
  const person = await network.person('documented');
  const { apiKey } = await network.createKey({
    account: person.account,
    creditMicroUsd: CREDIT_MICRO_USD,
  });
  return { network, stripe, person, apiKey, operatorKey: OPERATOR_KEY };
}

/** A job of the person's that has ended, with its receipt. */
export async function endedJob({ network, apiKey }: World): Promise<string> {
  const body = { model: 'sim', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 2 };
  const answer = await network.ask('POST', '/v1/chat/completions', { token: apiKey, body });
  return answer.headers.get('x-inference-job-id') ?? '';
}

export async function newKey({ person }: World): Promise<string> {
  const { json } = await person.ask('POST', '/v1/keys', { name: 'to be changed' });
  return json.data.id;
}

/** A machine of the person's, which is enrolled and not running. */
export async function newMachine({ network, person }: World): Promise<{ id: string; key: Nkey }> {
  const key = Nkey.create('user');
  const { token } = await network.network.coordinator.bus.call(
    services.trust.createToken,
    { account: person.account, lifetimeMs: 60_000 },
    CALL,
  );
  const body = { token, user_key: key.getPublicKey(), name: 'studio' };
  const { json } = await network.ask('POST', '/v1/providers/enrol', { body });
  return { id: json.provider, key };
}

/**
 * Lets the person withdraw: earned money of no hour, which therefore has matured, and a bank
 * account at Stripe.
 */
export async function earnMoney({ network, stripe, person }: World, amount: number): Promise<void> {
  const { account } = person;
  await person.ask('POST', '/v1/billing/onboard', {
    return_url: 'http://localhost:8080/',
    refresh_url: 'http://localhost:8080/again',
  });
  for (const id of stripe.bank.accounts.keys())
    await deliver(network, stripe.sign(stripe.bank.onboard(id)));
  await post(network, `earned:${account}`, [
    { account: `consumer:${account}`, kind: 'consumer', amount, earned: amount },
    { account: 'external:stripe', kind: 'external', amount: -amount, earned: 0 },
  ]);
}

/** Gives the platform fees from money that customers paid in. */
export async function earnFees(
  { network }: Pick<World, 'network'>,
  { amount, operation }: { readonly amount: number; readonly operation: string },
): Promise<void> {
  await post(network, operation, [
    { account: 'platform:fees', kind: 'platform', amount, earned: 0 },
    { account: 'external:stripe', kind: 'external', amount: -amount, earned: 0 },
  ]);
}

interface PostedEntry {
  readonly account: string;
  readonly kind: string;
  readonly amount: number;
  readonly earned: number;
}

async function post(
  network: TestNetwork,
  operation: string,
  entries: readonly PostedEntry[],
): Promise<void> {
  const fact = SettlementPosted.encode({
    operation,
    kind: 'credit',
    at: Date.now(),
    entries: entries.map(({ account, amount, earned }) => ({
      account,
      amountMicroUsd: amount,
      earnedMicroUsd: earned,
    })),
  });
  const columns = (['account', 'kind', 'amount', 'earned'] as const).map((column) =>
    entries.map((entry) => entry[column]),
  );
  const digest = createHash('sha256').update(operation).digest();
  const database = new Client(network.network.databaseUrl);
  await database.connect();
  try {
    const values = [
      operation,
      'credit',
      digest,
      ...columns,
      events.settlementPosted,
      Buffer.from(fact),
    ];
    await database.query(
      'SELECT posted FROM ledger_post($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      values,
    );
  } finally {
    await database.end();
  }
}

export const deliver = (
  network: TestNetwork,
  { body, signature }: { body: Uint8Array; signature: string },
) =>
  fetch(`${network.url}/v1/webhooks/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signature },
    body,
  });

/** A session that waits for its sealed request, and that request. */
export async function sealedOrder({ network, apiKey }: World): Promise<SealedOrder> {
  const wish = { model: 'sim', request_bytes: 400, max_tokens: 5 };
  const { json } = await network.ask('POST', '/v1/sealed/sessions', { token: apiKey, body: wish });
  return { job: json.id, body: await sealed(json.id, json.offer) };
}

interface Offer {
  readonly provider: string;
  readonly sealing_key: string;
  readonly build: string;
  readonly attempt: number;
}

async function sealed(job: string, { sealing_key: key, build, attempt }: Offer): Promise<Buffer> {
  using seals = await new RelaySenders().sealFor({ job, attempt, recipient: fromHex(key) });
  const request = InferenceRequest.encode({
    build,
    chat: { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 5 },
  });
  return Buffer.concat([seals.enc, ...seals.sealRequestParts(request)]);
}

/**
 * A request without a session: sealed for the machine that answered, for the job that this answer
 * named.
 */
export async function sealedGuess({ network, apiKey }: World): Promise<Buffer> {
  const wish = { model: 'sim', request_bytes: 400, max_tokens: 5 };
  const { json } = await network.ask('POST', '/v1/sealed/sessions', { token: apiKey, body: wish });
  const answer = await fetch(
    `${network.url}/v1/sealed/jobs/${json.id}?attempt=${json.offer.attempt}`,
    {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/octet-stream' },
      body: await sealed(json.id, json.offer),
    },
  );
  await answer.text();
  const id = answer.headers.get('x-dinf-next-job') ?? '';
  const { provider, sealing_key } = json.offer;
  const fields = Buffer.from(
    JSON.stringify({ ...wish, id, sealed_for: { provider, sealing_key } }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(fields.length);
  return Buffer.concat([length, fields, await sealed(id, { ...json.offer, attempt: 1 })]);
}
