import { expect, vi } from 'vitest';
import { earningsText, leafHash, Nkey, renewalText } from '#bus-schemas';
import {
  deliver,
  earnFees,
  earnMoney,
  endedJob,
  newKey,
  newMachine,
  sealedGuess,
  sealedOrder,
  type World,
} from './world.ts';

/** What stands for the placeholders of a documented call while it is run. */
export interface Filling {
  /** Shell variables, such as `$ID`. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Texts of the call that only stand for something, and what they stand for. */
  readonly texts?: readonly (readonly [text: string, real: string])[];
  /** Files that the call reads. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

type Fill = (world: World) => Promise<Filling> | Filling;

const EXAMPLE_JOB = 'job_0123456789abcdefghijkl';
const EXAMPLE_FILE = 'file_0123456789abcdefghijklmn';
const EXAMPLE_INVITE = 'welcome-2026';
const EXAMPLE_REFERRAL = 'my-studio';
const WITHDRAWN_MICRO_USD = 25_000_000;
const BATCH = '{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{}}\n';
const REWARD_MICRO_USD = 5_000_000;

const key: Fill = async (world) => ({ variables: { ID: await newKey(world) } });
const machine: Fill = async (world) => ({ variables: { ID: (await newMachine(world)).id } });
const account: Fill = ({ person }) => ({ variables: { ID: person.account } });
/** A machine of a person whom no other call needs: each may link ten machines a day. */
const machineOf = async (world: World, name: string) => {
  const person = await world.network.person(name);
  return { person, id: (await newMachine({ ...world, person })).id };
};
const otherMachine: Fill = async (world) => ({
  variables: { ID: (await machineOf(world, 'other-owner')).id },
});
/** A public name whose account may be refused other ones afterwards. */
const publicName: Fill = async (world) => {
  const { person, id } = await machineOf(world, 'owner-of-a-name');
  await person.ask('PUT', `/v1/me/providers/${id}/public-name`, { name: 'Rude Word' });
  return { texts: [['Kitchen Mac', 'Rude Word']] };
};
/** An account that no other call needs, so that it may be suspended or limited. */
const otherAccount: Fill = async ({ network }) => ({
  variables: { ID: (await network.createKey({ creditMicroUsd: 1 })).account },
});

/** A stored response; with `background`, one that runs. */
const response =
  (fields: object = { store: true }): Fill =>
  async ({ network, apiKey }) => {
    const body = { model: 'sim', input: 'Hi', max_output_tokens: 2, ...fields };
    const { json } = await network.ask('POST', '/v1/responses', { token: apiKey, body });
    return { variables: { ID: json.id } };
  };
const conversation: Fill = async ({ network, apiKey }) => {
  const body = { items: [{ type: 'message', role: 'user', content: 'Hi' }] };
  const { json } = await network.ask('POST', '/v1/conversations', { token: apiKey, body });
  const items = await network.ask('GET', `/v1/conversations/${json.id}/items`, { token: apiKey });
  return { variables: { ID: json.id, ITEM: items.json.data[0].id } };
};

const file: Fill = async ({ network, apiKey }) => ({
  variables: { ID: (await network.uploadFile(BATCH, apiKey)).json.id },
});

const MESSAGE_BATCHES = '/v1/messages/batches';
const BATCH_BODY = { endpoint: '/v1/chat/completions', completion_window: '24h' };
const batch: Fill = async ({ network, apiKey }) => {
  const input_file_id = (await network.uploadFile(BATCH, apiKey)).json.id;
  const body = { ...BATCH_BODY, input_file_id };
  const { json } = await network.ask('POST', '/v1/batches', { token: apiKey, body });
  return { variables: { ID: json.id } };
};

/** A message batch that has ended, if the call needs one. */
const messageBatch =
  (hasEnded: boolean): Fill =>
  async ({ network, apiKey }) => {
    const params = { model: 'sim', max_tokens: 2, messages: [{ role: 'user', content: 'Hi' }] };
    const body = { requests: [{ custom_id: '1', params }] };
    const { json } = await network.ask('POST', MESSAGE_BATCHES, { token: apiKey, body });
    const read = () => network.ask('GET', `${MESSAGE_BATCHES}/${json.id}`, { token: apiKey });
    if (hasEnded)
      await vi.waitFor(async () => expect((await read()).json.processing_status).toBe('ended'), {
        timeout: 30_000,
        interval: 50,
      });
    return { variables: { ID: json.id } };
  };

/** By operation; a call that is not here is run as it stands. */
export const fillings: Readonly<Record<string, Fill>> = {
  'GET /v1/keys/{id}': key,
  'PATCH /v1/keys/{id}': key,
  'DELETE /v1/keys/{id}': key,
  'POST /v1/keys/{id}/rotate': key,
  'DELETE /admin/keys/{id}': key,
  'GET /v1/me/providers/{id}/day': machine,
  'DELETE /v1/me/providers/{id}': machine,
  'PUT /v1/me/providers/{id}/prices': machine,
  'PUT /v1/me/providers/{id}/public-name': machine,
  'DELETE /v1/me/providers/{id}/public-name': machine,
  'DELETE /admin/providers/{id}': machine,
  'POST /admin/providers/{id}/drain': machine,
  'POST /admin/providers/{id}/resume': machine,
  'POST /admin/providers/{id}/allow-name': otherMachine,
  'POST /admin/public-names/withdraw': publicName,
  'GET /admin/accounts/{id}': account,
  'GET /admin/accounts/{id}/keys': account,
  'POST /admin/accounts/{id}/suspend': otherAccount,
  'POST /admin/accounts/{id}/resume': otherAccount,
  'PUT /admin/accounts/{id}/limits': otherAccount,
  'POST /admin/accounts/{id}/reward': async (world) => {
    await earnFees(world, { amount: REWARD_MICRO_USD, operation: 'fees:for-a-reward' });
    return otherAccount(world);
  },
  'POST /admin/rewards/fund': async (world) => {
    await earnFees(world, { amount: REWARD_MICRO_USD, operation: 'fees:for-the-fund' });
    return {};
  },
  'POST /admin/accounts/{id}/credit': account,
  'PUT /admin/accounts/{id}/terms': account,

  'GET /v1/responses/{id}': response(),
  'GET /v1/responses/{id}/input_items': response(),
  'DELETE /v1/responses/{id}': response(),
  'POST /v1/responses/{id}/cancel': response({ background: true }),
  'GET /v1/conversations/{id}': conversation,
  'POST /v1/conversations/{id}': conversation,
  'DELETE /v1/conversations/{id}': conversation,
  'GET /v1/conversations/{id}/items': conversation,
  'POST /v1/conversations/{id}/items': conversation,
  'GET /v1/conversations/{id}/items/{item}': conversation,
  'DELETE /v1/conversations/{id}/items/{item}': conversation,

  'POST /v1/files': async () => ({
    variables: {},
    files: { 'requests.jsonl': Buffer.from(BATCH) },
  }),
  'GET /v1/files/{id}': file,
  'GET /v1/files/{id}/content': file,
  'DELETE /v1/files/{id}': file,
  'POST /v1/batches': async (world) => ({
    texts: [[EXAMPLE_FILE, (await file(world)).variables?.['ID'] ?? '']],
  }),
  'GET /v1/messages/batches/{id}': messageBatch(false),
  'GET /v1/messages/batches/{id}/results': messageBatch(true),
  'POST /v1/messages/batches/{id}/cancel': messageBatch(false),
  'DELETE /v1/messages/batches/{id}': messageBatch(true),
  'GET /v1/batches/{id}': batch,
  'POST /v1/batches/{id}/cancel': batch,

  'DELETE /v1/sealed/sessions/{job}': async (world) => ({
    variables: { JOB: (await sealedOrder(world)).job },
  }),
  'POST /v1/sealed/jobs/{job}': async (world) => {
    const { job, body } = await sealedOrder(world);
    return { variables: { JOB: job }, files: { 'sealed-request.bin': body } };
  },
  'POST /v1/sealed/jobs': async (world) => ({
    files: { 'sealed-request.bin': await sealedGuess(world) },
  }),

  'GET /v1/generation': async (world) => {
    const job = await endedJob(world);
    await isThere(world, `/v1/generation?id=${job}`);
    return { texts: [[EXAMPLE_JOB, job]] };
  },
  'GET /v1/receipts/{job}': async (world) => {
    const job = await endedJob(world);
    await isThere(world, `/v1/receipts/${job}`);
    return { texts: [[EXAMPLE_JOB, job]] };
  },
  'GET /v1/transparency/inclusion': async ({ network }) => {
    const { json } = await network.ask('GET', '/v1/transparency/entries?limit=1');
    return {
      texts: [
        ['00'.repeat(32), Buffer.from(leafHash(Buffer.from(json.data[0].entry))).toString('hex')],
      ],
    };
  },

  'POST /v1/billing/withdrawals': async (world) => {
    await earnMoney(world, WITHDRAWN_MICRO_USD);
    return {};
  },
  'DELETE /v1/billing/connection': async (world) => {
    await earnMoney(world, WITHDRAWN_MICRO_USD);
    const { bank } = world.stripe;
    for (const id of bank.accounts.keys()) bank.payOut(id);
    return {};
  },
  'GET /v1/billing/deposits/{id}/receipt': async ({ network, person, stripe }) => {
    const back = 'http://localhost:8080/money';
    const { json } = await person.ask('POST', '/v1/billing/checkout', {
      amount_micro_usd: 5_000_000,
      success_url: back,
      cancel_url: back,
    });
    await deliver(network, stripe.sign(stripe.bank.pay(json.session)));
    const { json: list } = await person.ask('GET', '/v1/billing/deposits');
    return { texts: [['dep_0123456789abcdefghij', list.data[0].id]] };
  },
  'POST /v1/billing/dashboard': async (world) => {
    await earnMoney(world, WITHDRAWN_MICRO_USD);
    return {};
  },
  'POST /v1/webhooks/stripe': async ({ person, stripe }) => {
    const urls = {
      success_url: 'http://localhost:8080/thanks',
      cancel_url: 'http://localhost:8080/',
    };
    const { json } = await person.ask('POST', '/v1/billing/checkout', {
      amount_micro_usd: 5_000_000,
      ...urls,
    });
    const { body, signature } = stripe.sign(stripe.bank.pay(json.session));
    return { variables: { SIGNATURE: signature }, files: { 'event.json': body } };
  },

  'POST /v1/invites/redeem': async ({ network, operatorKey }) => {
    const body = { code: 'an-invite', credit_micro_usd: 1_000, uses: 1 };
    await network.ask('POST', `${network.network.coordinator.adminUrl}/admin/invites`, {
      token: operatorKey,
      body,
    });
    return { texts: [[EXAMPLE_INVITE, body.code]] };
  },
  'POST /v1/referral/apply': async ({ network }) => {
    const referrer = await network.person('referrer');
    await referrer.ask('PUT', '/v1/referral', { code: 'another-studio' });
    return { texts: [[EXAMPLE_REFERRAL, 'another-studio']] };
  },

  'POST /v1/providers/enrol': async ({ network }) => ({
    texts: [
      ['0123456789abcdef', await network.network.enrolToken()],
      [`U${'A'.repeat(55)}`, Nkey.create('user').getPublicKey()],
    ],
  }),
  'POST /v1/providers/renew': (world) => signedByMachine(world, renewalText),
  'POST /v1/providers/earnings': (world) => signedByMachine(world, earningsText),
  'GET /v1/device/request': shownCode,
  'POST /v1/device/approve': shownCode,
  'POST /v1/device/token': async ({ network, person }) => {
    const { json } = await network.ask('POST', '/v1/device/code', { body: { client_id: 'dinf' } });
    await person.ask('POST', '/v1/device/approve', { user_code: json.user_code });
    return { texts: [['…', json.device_code]] };
  },
};

async function shownCode({ network }: World) {
  const { json } = await network.ask('POST', '/v1/device/code', { body: { client_id: 'dinf' } });
  return { texts: [['WDJB-MJHT', json.user_code]] as [string, string][] };
}

/** Generations and receipts are stored about a second after the answer has ended. */
async function isThere({ network, apiKey }: World, path: string): Promise<void> {
  await vi.waitFor(async () => {
    const { status } = await network.ask('GET', path, { token: apiKey });
    if (status !== 200) throw new Error(`${path} answers ${status}`);
  }, 20_000);
}

/** A new machine signs this text with its key, as the route demands. */
async function signedByMachine(
  world: World,
  textOf: (provider: string, nonce: string) => Uint8Array,
): Promise<Filling> {
  const { id, key } = await newMachine(world);
  const { json } = await world.network.ask('POST', '/v1/providers/renewal-nonce', {
    body: { provider: id },
  });
  const signature = Buffer.from(key.sign(textOf(id, json.nonce))).toString('base64url');
  return {
    texts: [
      // First: the example of the provider is a part of it.
      ['A'.repeat(86), signature],
      ['1767225600000.AAAA', json.nonce],
      [`A${'A'.repeat(55)}`, id],
    ],
  };
}
