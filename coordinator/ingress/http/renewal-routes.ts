import {
  MAX_EARNING_DAYS,
  type MachineEarnings,
  type MachineReward,
  ProviderId,
  services,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { refusalError, trustRefusals } from '#http-api/refusals.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import { type Api, asTime, MicroUsd, strict } from './api.ts';
import { Because, becauseOf, RewardPromotion } from './reward-fields.ts';

const SIGNATURE = '^[A-Za-z0-9_-]{86}$';

const SignedByMachine = Type.Object(
  {
    provider: ProviderId,
    nonce: Type.String({ maxLength: 128 }),
    signature: Type.String({ pattern: SIGNATURE }),
  },
  strict,
);
const earnedFor = {
  model: Type.String(),
  prompt_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  amount_micro_usd: MicroUsd,
};
const EarningsOfMachine = Type.Object({
  days: Type.Array(Type.Object({ day: Type.String(), jobs: Type.Integer(), ...earnedFor })),
  jobs: Type.Array(Type.Object({ job_id: Type.String(), at: Type.String(), ...earnedFor })),
  rewards: Type.Array(
    Type.Object({
      day: Type.String(),
      promotion: RewardPromotion,
      amount_micro_usd: MicroUsd,
      is_paid: Type.Boolean({ description: 'Whether the amount is on the balance of the owner.' }),
      because: Because,
    }),
  ),
});
/** Most rows of rewards in an answer: a base reward for each day, and promotions. */
const MAX_REWARD_ROWS = 500;
const DAY_MS = 86_400_000;

/**
 * Routes by which a machine renews the credentials of its leaf node, also after they have expired.
 * They use HTTP, because the bus rejects expired credentials. With the same key a machine reads its
 * earnings: its owner need not sign in on it.
 */
export function addRenewalRoutes({
  api,
  strangers,
  now,
}: {
  api: Api;
  strangers: AddressLimiter;
  now: () => number;
}): void {
  const provider = `A${'A'.repeat(55)}`;
  /** Only a machine with an owner gets rewards. */
  const rewardsOf = async (rewarded: string): Promise<readonly MachineReward[]> => {
    const { account } = await api.ask(services.trust.owner, { provider: rewarded });
    if (account === undefined) return [];
    const from = now() - MAX_EARNING_DAYS * DAY_MS;
    const asked = { account, provider: rewarded, from, limit: MAX_REWARD_ROWS };
    return (await api.ask(services.settlement.rewards, asked)).rows;
  };
  api.route({
    method: 'POST',
    url: '/v1/providers/renewal-nonce',
    group: 'Machines',
    access: 'public',
    summary: 'Get the nonce that a machine signs to renew its credentials or to read its earnings',
    body: Type.Object({ provider: ProviderId }, strict),
    example: { body: { provider } },
    reply: Type.Object({
      nonce: Type.String({ description: 'Valid for one minute, for this machine only.' }),
    }),
    handle: async ({ request, body }) => {
      strangers.check(request.ip);
      return api.ask(services.trust.renewalNonce, { provider: body.provider });
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/providers/renew',
    group: 'Machines',
    access: 'public',
    summary: 'Renew the credentials of a leaf node',
    description:
      'The signature is Ed25519, made with the nkey with which the machine enrolled, over the lines "d-inference: renew the leaf credentials", the provider and the nonce, joined by line feeds. The credentials may have expired.',
    body: SignedByMachine,
    example: { body: { provider, nonce: '1767225600000.AAAA', signature: 'A'.repeat(86) } },
    reply: Type.Object({ user_jwt: Type.String(), leaf_urls: Type.Array(Type.String()) }),
    handle: async ({ request, body }) => {
      strangers.check(request.ip);
      const renewed = await api.ask(services.trust.renew, proofIn(body));
      if (renewed.ok) return { user_jwt: renewed.userJwt, leaf_urls: renewed.leafUrls };
      strangers.count(request.ip);
      throw refusalError(trustRefusals.renew[renewed.code]);
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/providers/earnings',
    group: 'Machines',
    access: 'public',
    summary: 'Read what a machine earned, with the key of the machine',
    description:
      'For the machine itself, which has no API key: the signature is made as for `/v1/providers/renew`, over the lines "d-inference: read the earnings of this machine", the provider and the nonce. The rows cover 31 days of UTC; the jobs are the last 100 that were paid. `rewards` has what the network pays beside the answers, also zero, with the reason.',
    body: SignedByMachine,
    example: { body: { provider, nonce: '1767225600000.AAAA', signature: 'A'.repeat(86) } },
    reply: EarningsOfMachine,
    handle: async ({ request, body }) => {
      strangers.check(request.ip);
      const proved = await api.ask(services.trust.proveReader, proofIn(body));
      if (!proved.ok) {
        strangers.count(request.ip);
        throw refusalError(trustRefusals.proveReader[proved.code]);
      }
      const { provider } = body;
      const [{ days, jobs }, rewards] = await Promise.all([
        api.ask(services.settlement.machineEarnings, { provider }),
        rewardsOf(provider),
      ]);
      return {
        days: days.map(({ day, jobs: count, ...row }) => ({ day, jobs: count, ...printed(row) })),
        jobs: jobs.map(({ job, at, ...row }) => ({ job_id: job, at: asTime(at), ...printed(row) })),
        rewards: rewards.map(printedReward),
      };
    },
  });
}

const proofIn = ({ provider, nonce, signature }: Static<typeof SignedByMachine>) => ({
  provider,
  nonce,
  signature: new Uint8Array(Buffer.from(signature, 'base64url')),
});

type Earned = Omit<MachineEarnings['jobs'][number], 'job' | 'at'>;

const printed = ({ model, promptTokens, completionTokens, amountMicroUsd }: Earned) => ({
  model,
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  amount_micro_usd: amountMicroUsd,
});

const printedReward = ({ day, promotion, amountMicroUsd, paidAt, reasons }: MachineReward) => ({
  day,
  promotion: promotion ?? null,
  amount_micro_usd: amountMicroUsd,
  is_paid: paidAt !== undefined,
  because: becauseOf(reasons),
});
