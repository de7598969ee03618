import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import type { GuessLimiter } from '../limits/guess-limiter.ts';
import { type Api, MicroUsd, orNull, strict } from './api.ts';
import { callerOf } from './authenticate.ts';

const Code = Type.String({ minLength: 4, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' });

/** Routes for invites and referrals. */
export function addCodeRoutes(api: Api, guesses: GuessLimiter): void {
  api.route({
    method: 'POST',
    url: '/v1/invites/redeem',
    group: 'Account',
    access: 'user',
    summary: 'Redeem an invite for credit',
    audit: 'redeem-invite',
    isBodySecret: true,
    body: Type.Object({ code: Code }, strict),
    reply: Type.Object({ credited_micro_usd: MicroUsd, available_micro_usd: MicroUsd }),
    example: { body: { code: 'welcome-2026' } },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      const guesser = { address: request.ip, account };
      const redeemed = await guesses.guess(guesser, () =>
        api.ask(services.accounts.redeemInvite, { code: body.code, account }),
      );
      if (!redeemed.ok) throw refusalError(accountRefusals.redeemInvite[redeemed.code]);
      // The operation is named by invite and account. If the process ends before the credit, the
      // person repeats the call; the ledger never credits one operation twice.
      const credit = {
        account,
        amountMicroUsd: redeemed.creditMicroUsd,
        operation: `invite:${body.code}:${account}`,
      };
      const credited = await api.ask(services.settlement.credit, credit);
      if (!credited.ok) throw new ApiError('conflict');
      return {
        credited_micro_usd: redeemed.creditMicroUsd,
        available_micro_usd: credited.availableMicroUsd,
      };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/referral',
    group: 'Account',
    access: 'user',
    summary: 'Your referral code and the accounts that used it',
    reply: Type.Object({
      code: orNull(Type.String()),
      referred: Type.Integer(),
      referred_by_somebody: Type.Boolean(),
    }),
    handle: async ({ request }) => {
      const { code, referred, referrer } = await api.ask(services.accounts.referral, {
        account: callerOf(request).account,
      });
      return { code: code ?? null, referred, referred_by_somebody: referrer !== undefined };
    },
  });
  api.route({
    method: 'PUT',
    url: '/v1/referral',
    group: 'Account',
    access: 'user',
    summary: 'Choose your referral code',
    audit: 'set-referral-code',
    body: Type.Object({ code: Code }, strict),
    reply: Type.Object({ code: Type.String() }),
    example: { body: { code: 'my-studio' } },
    handle: async ({ request, body }) => {
      const set = await api.ask(services.accounts.setReferralCode, {
        account: callerOf(request).account,
        code: body.code,
      });
      if (!set.ok)
        throw new ApiError('conflict', 'Another account has this code.', { param: 'code' });
      return { code: body.code };
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/referral/apply',
    group: 'Account',
    access: 'user',
    summary: 'Name your referrer',
    audit: 'apply-referral',
    description:
      'This can be done once and cannot be changed. The referrer gets a part of the fee on your spending; you do not pay more.',
    body: Type.Object({ code: Code }, strict),
    reply: Type.Object({ applied: Type.Boolean() }),
    example: { body: { code: 'my-studio' } },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      const guesser = { address: request.ip, account };
      const applied = await guesses.guess(guesser, () =>
        api.ask(services.accounts.applyReferral, { account, code: body.code }),
      );
      if (!applied.ok) throw refusalError(accountRefusals.applyReferral[applied.code]);
      await api.ask(services.settlement.setReferrer, { account, referrer: applied.referrer });
      return { applied: true };
    },
  });
}
