import { AccountId } from '../../ids.ts';
import { count, optional, positive } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf, ok, refused } from '../service-method.ts';

const NOT_CONFIGURED = 'not_configured';
const ofAccount = Type.Object({ account: AccountId });

/** Where Stripe sends the money of an account; a card gets instant payouts. */
const Destination = Type.Object({
  kind: Type.Enum(['bank', 'card']),
  /** Name of the bank, or brand of the card. */
  name: Type.String({ maxLength: 200 }),
  last4: Type.String({ maxLength: 16 }),
  currency: Type.String({ maxLength: 16 }),
});
const Connection = Type.Object({
  /** `none`: no account at Stripe. `incomplete`: Stripe demands more before it pays. */
  state: Type.Enum(['none', 'incomplete', 'ready']),
  country: optional(Type.String({ maxLength: 16 })),
  /** What Stripe demands, by its own names, such as `external_account`. */
  missing: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 64 }),
  destination: optional(Destination),
});
export type StripeConnection = Static<typeof Connection>;
const connection = Type.Union([
  ok({ connection: Connection }),
  refused([NOT_CONFIGURED, 'unavailable']),
]);

const dashboard = Type.Union([
  ok({ url: Type.String({ maxLength: 4_096 }) }),
  refused([NOT_CONFIGURED, 'unavailable', 'not_onboarded']),
]);

const disconnected = Type.Union([
  ok({}),
  refused([NOT_CONFIGURED, 'unavailable', 'not_connected', 'money_on_the_way']),
]);

const quoteRequest = Type.Object({ amountMicroUsd: positive, instant: Type.Boolean() });
const quote = Type.Union([
  ok({
    /** What leaves the account: the amount without fractions of a cent. */
    amountMicroUsd: positive,
    feeMicroUsd: count,
    /** What arrives. */
    receivedMicroUsd: positive,
  }),
  refused([NOT_CONFIGURED, 'too_small']),
]);

const define = methodsOf('settlement');

/** Requests about the account of a person at Stripe, which receives what they withdraw. */
export const connectionMethods = {
  connection: define('connection', ofAccount, connection),
  dashboard: define('dashboard', ofAccount, dashboard),
  /** Removes the account at Stripe; refused while money is on its way to it or from it. */
  disconnect: define('disconnect', ofAccount, disconnected),
  quoteWithdrawal: define('quote-withdrawal', quoteRequest, quote),
} as const;
