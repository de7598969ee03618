import { AccountId, KeyId, randomToken, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { asTime, futureTimeOf, LIST, listOf, optional, orNull, strict, When } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';

const Account = Type.Object({ id: AccountId });
const Done = Type.Object({ done: Type.Boolean() });
const DONE = { done: true };
/**
 * Fewest characters of an invite's code. A code is worth money to the first person who enters it,
 * so an attacker could find short codes by trying.
 */
const LEAST_INVITE_LENGTH = 8;
/** Characters of a generated code: 82 bits. */
const MADE_INVITE_LENGTH = 16;

/** Routes for terms and invites, and for removing keys. */
export function addPeopleRoutes(admin: AdminApi, now: () => number): void {
  admin.change('set-terms', {
    method: 'PUT',
    url: '/admin/accounts/:id/terms',
    summary: 'Set the fee of an account, or mark it as a service',
    params: Account,
    body: Type.Object(
      {
        fee_bps: optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
        service: Type.Boolean(),
        referrer: optional(AccountId),
      },
      strict,
    ),
    reply: Done,
    example: { body: { fee_bps: 250, service: false } },
    handle: async ({ params, body }) => {
      const terms = {
        account: params.id,
        service: body.service,
        ...(body.fee_bps !== undefined && { feeBps: body.fee_bps }),
        ...(body.referrer && { referrer: body.referrer }),
      };
      const set = await admin.ask(services.settlement.setTerms, terms);
      if (!set.ok)
        throw new ApiError('invalid_request', 'An account cannot refer itself.', {
          param: 'referrer',
        });
      return DONE;
    },
  });
  admin.change('create-invite', {
    method: 'POST',
    url: '/admin/invites',
    summary: 'Make an invite that brings credit',
    description: 'Without `code`, a code is generated that cannot be guessed.',
    body: Type.Object(
      {
        code: optional(
          Type.String({
            minLength: LEAST_INVITE_LENGTH,
            maxLength: 64,
            pattern: '^[A-Za-z0-9_-]+$',
          }),
        ),
        credit_micro_usd: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
        uses: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
        expires_at: optional(When),
      },
      strict,
    ),
    reply: Type.Object({ done: Type.Boolean(), code: Type.String() }),
    example: { body: { code: 'welcome-2026', credit_micro_usd: 5_000_000, uses: 100 } },
    handle: async ({ body }) => {
      const expiresAt = futureTimeOf(body.expires_at, 'expires_at', now());
      const { code = randomToken(MADE_INVITE_LENGTH) } = body;
      const made = await admin.ask(services.accounts.createInvite, {
        code,
        creditMicroUsd: body.credit_micro_usd,
        uses: body.uses,
        ...(expiresAt !== undefined && { expiresAt }),
      });
      if (!made.ok)
        throw new ApiError('conflict', 'An invite with this code already exists.', {
          param: 'code',
        });
      return { ...DONE, code };
    },
  });
  admin.read({
    url: '/admin/accounts/:id/keys',
    summary: 'The API keys of an account',
    params: Account,
    reply: listOf(
      Type.Object({
        id: Type.String(),
        name: Type.String(),
        label: Type.String({ description: 'The beginning and the end of its secret.' }),
        disabled: Type.Boolean(),
        created_at: Type.String(),
        expires_at: orNull(Type.String()),
        last_used_at: orNull(Type.String()),
      }),
    ),
    handle: async ({ params }) => {
      const { keys } = await admin.ask(services.accounts.listKeys, { account: params.id });
      return {
        object: LIST,
        data: keys.map((key) => ({
          id: key.key,
          name: key.name,
          label: key.hint,
          disabled: key.disabled,
          created_at: asTime(key.createdAt),
          expires_at: key.expiresAt === undefined ? null : asTime(key.expiresAt),
          last_used_at: key.lastUsedAt === undefined ? null : asTime(key.lastUsedAt),
        })),
      };
    },
  });
  admin.change('revoke-key', {
    method: 'DELETE',
    url: '/admin/keys/:id',
    summary: 'Revoke any API key',
    params: Type.Object({ id: KeyId }),
    reply: Done,
    handle: async ({ params }) => {
      const { revoked } = await admin.ask(services.accounts.revokeKey, { key: params.id });
      if (!revoked) throw new ApiError('not_found', 'There is no such key.');
      return DONE;
    },
  });
}
