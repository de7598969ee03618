import {
  AccountId,
  type AccountRecord,
  type AccountRecordReply,
  byField,
  definedByName,
  RATE_LIMIT_NAMES,
  RATE_LIMITS,
  rateLimitText,
  SPENDING_LIMITS,
  services,
  spendingLimitText,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import { asTime, LIST, listOf, MicroUsd, optional, orNull, strict } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';
import { Reason } from './reason.ts';

const ById = Type.Object({ id: AccountId });
const Note = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'For the account: it stands beside the amount on its statement.',
});
const Limits = Type.Object(
  {
    ...byField(RATE_LIMITS, (name) =>
      orNull(
        Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: rateLimitText(name) }),
      ),
    ),
    [SPENDING_LIMITS.day.field]: orNull(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: spendingLimitText('day'),
      }),
    ),
  },
  strict,
);
const Account = Type.Object({
  id: Type.String(),
  name: Type.String(),
  email: orNull(Type.String()),
  created_at: Type.String(),
  suspended: orNull(Type.Object({ at: Type.String(), reason: Type.String() })),
  limits: Limits,
  spent_today_micro_usd: MicroUsd,
});
const Amount = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 });
const Operation = Type.String({ minLength: 8, maxLength: 100 });
const Available = Type.Object({ available_micro_usd: MicroUsd });

/** Routes with which operators find, suspend, limit, credit and reward accounts. */
export function addOperatorAccountRoutes(admin: AdminApi): void {
  const find = async (account: string) =>
    recordOf(await admin.ask(services.accounts.accountRecord, { account }));
  const describe = async (record: AccountRecord): Promise<Static<typeof Account>> => {
    const { account, name, email = null, createdAt, suspended, limits } = record;
    const spending = await admin.ask(services.settlement.accountSpending, { account });
    return {
      id: account,
      name,
      email,
      created_at: asTime(createdAt),
      suspended: suspended ? { at: asTime(suspended.at), reason: suspended.reason } : null,
      limits: {
        ...byField(RATE_LIMITS, (name) => limits[name] ?? null),
        [SPENDING_LIMITS.day.field]: spending.dayMicroUsd ?? null,
      },
      spent_today_micro_usd: spending.usedMicroUsd,
    };
  };
  admin.read({
    url: '/admin/accounts',
    summary: 'Find accounts by e-mail address',
    description:
      'Returns at most 50 accounts. Give the whole address as `email`, or its beginning (at least three characters) as `email_prefix`. The search is in the audit log.',
    audit: 'find-accounts',
    query: Type.Object(
      {
        email: optional(Type.String({ minLength: 3, maxLength: 320 })),
        email_prefix: optional(Type.String({ minLength: 3, maxLength: 320 })),
      },
      strict,
    ),
    reply: listOf(Account),
    example: { path: '/admin/accounts?email=ann@example.com' },
    handle: async ({ query }) => {
      const text = query.email ?? query.email_prefix;
      if (text === undefined || (query.email !== undefined && query.email_prefix !== undefined))
        throw new ApiError('invalid_request', 'Give either email or email_prefix.', {
          param: 'email',
        });
      const { accounts } = await admin.ask(services.accounts.findAccounts, {
        email: text,
        isPrefix: query.email === undefined,
      });
      return { object: LIST, data: await Promise.all(accounts.map(describe)) };
    },
  });
  admin.read({
    url: '/admin/accounts/:id',
    summary: 'One account, with its limits and its spending of today (UTC)',
    params: ById,
    reply: Account,
    handle: async ({ params }) => describe(await find(params.id)),
  });
  admin.change('suspend-account', {
    method: 'POST',
    url: '/admin/accounts/:id/suspend',
    summary: 'Suspend an account',
    description:
      'Within a second its keys and its sign-in get 403 `account_suspended`, and its machines get no new requests. Requests that run are finished, and no money is lost.',
    params: ById,
    body: Type.Object({ reason: Reason }, strict),
    reply: Account,
    example: { body: { reason: 'chargeback fraud, ticket 42' } },
    handle: async ({ params, body }) =>
      describe(
        recordOf(
          await admin.ask(services.accounts.suspendAccount, {
            account: params.id,
            reason: body.reason,
          }),
        ),
      ),
  });
  admin.change('resume-account', {
    method: 'POST',
    url: '/admin/accounts/:id/resume',
    summary: 'End the suspension of an account',
    params: ById,
    reply: Account,
    handle: async ({ params }) =>
      describe(recordOf(await admin.ask(services.accounts.resumeAccount, { account: params.id }))),
  });
  admin.change('set-account-limits', {
    method: 'PUT',
    url: '/admin/accounts/:id/limits',
    summary: 'Set the limits of an account over all its keys',
    description:
      'Null removes a limit: then the limits by minute are those of the network (`DINF_ACCOUNT_RPM` and so on), and the spending of a day has no limit. The limits of each key apply beside these.',
    params: ById,
    body: Limits,
    reply: Account,
    example: {
      body: {
        ...byField(RATE_LIMITS, () => null),
        rpm_limit: 60,
        daily_limit_micro_usd: 5_000_000,
      },
    },
    handle: async ({ params: { id: account }, body }) => {
      const limits = definedByName(RATE_LIMIT_NAMES, (name) => body[RATE_LIMITS[name].field]);
      const dayMicroUsd = body[SPENDING_LIMITS.day.field];
      const record = recordOf(
        await admin.ask(services.accounts.setAccountLimits, { account, limits }),
      );
      await admin.ask(services.settlement.setAccountCap, {
        account,
        ...(dayMicroUsd !== null && { dayMicroUsd }),
      });
      return describe(record);
    },
  });
  addGiftRoutes(admin, find);
}

/** Credit is promotional; a reward is earned money that the account may withdraw. */
function addGiftRoutes(admin: AdminApi, find: (account: string) => Promise<AccountRecord>): void {
  admin.change('credit', {
    method: 'POST',
    url: '/admin/accounts/:id/credit',
    summary: 'Give an account credit',
    description:
      'The credit is promotional: it can be spent and never withdrawn. Two calls with the same `operation` give one credit.',
    params: ById,
    body: Type.Object(
      {
        amount_micro_usd: Amount,
        operation: Operation,
        reason: optional(Reason),
        note: optional(Note),
      },
      strict,
    ),
    reply: Available,
    example: {
      body: { amount_micro_usd: 5_000_000, operation: 'support-ticket-42', reason: 'outage' },
    },
    handle: async ({ params, body }) => {
      await find(params.id);
      const credited = await admin.ask(services.settlement.credit, giftOf(params.id, body));
      if (!credited.ok) throw refusalError(settlementRefusals.credit[credited.code]);
      return { available_micro_usd: credited.availableMicroUsd };
    },
  });
  admin.change('reward', {
    method: 'POST',
    url: '/admin/accounts/:id/reward',
    summary: 'Pay an account a reward out of the fees of the platform',
    description:
      'The reward counts as earned: the account may withdraw it. Two calls with the same `operation` pay one reward.',
    params: ById,
    body: Type.Object(
      { amount_micro_usd: Amount, operation: Operation, reason: Reason, note: optional(Note) },
      strict,
    ),
    reply: Available,
    example: {
      body: { amount_micro_usd: 5_000_000, operation: 'bug-bounty-7', reason: 'reported a bug' },
    },
    handle: async ({ params, body }) => {
      await find(params.id);
      const rewarded = await admin.ask(services.settlement.reward, giftOf(params.id, body));
      if (rewarded.ok) return { available_micro_usd: rewarded.availableMicroUsd };
      throw refusalError(settlementRefusals.reward[rewarded.code]);
    },
  });
}

const giftOf = (
  account: string,
  body: { amount_micro_usd: number; operation: string; note?: string },
) => ({
  account,
  amountMicroUsd: body.amount_micro_usd,
  operation: `admin:${body.operation}`,
  ...(body.note !== undefined && { note: body.note }),
});

function recordOf(reply: AccountRecordReply): AccountRecord {
  if (reply.ok) return reply.record;
  throw new ApiError('not_found', 'There is no such account.');
}
