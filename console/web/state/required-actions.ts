import type { Routes } from '../api/routes.ts';
import { money } from '../format/money.ts';
import { timeAhead } from '../format/time.ts';
import { PATHS } from '../router.ts';
import { faultText } from '../texts/fault-text.ts';
import { t } from '../texts.ts';
import type { ApiKey, OwnMachine } from './answers.ts';

/** Something that a person has to do, and where. */
export interface RequiredAction {
  readonly tone: 'bad' | 'notice';
  readonly text: string;
  readonly link?: { readonly label: string; readonly path: string };
}

interface Known {
  /** Each part is undefined while it is not known. */
  readonly balance: Routes['GET /v1/balance']['answer'] | undefined;
  readonly keys: readonly ApiKey[] | undefined;
  readonly machines: readonly OwnMachine[] | undefined;
}

/** Balance below which the console warns, in millionths of a dollar. */
const LOW_BALANCE = 1_000_000;
/** Share of a key's limit from which the console warns. */
const NEAR_LIMIT = 0.8;
const SOON_MS = 7 * 24 * 3_600_000;

/** What a person has to do, the most urgent first. */
export function requiredActions({ balance, keys, machines }: Known, now: number): RequiredAction[] {
  return [
    ...(balance ? moneyActions(balance) : []),
    ...(machines ?? []).flatMap(machineActions),
    ...(keys ? keyActions(keys, now) : []),
  ].toSorted((one, other) => rank(one) - rank(other));
}

const rank = ({ tone }: RequiredAction): number => (tone === 'bad' ? 0 : 1);

/** A debt, or a balance that is empty or low. */
export function moneyActions(balance: NonNullable<Known['balance']>): RequiredAction[] {
  const { owed_micro_usd: owed, available_micro_usd: available } = balance;
  if (owed > 0) return [{ tone: 'bad', text: t.actions.owed(money(owed)) }];
  if (available <= 0) return [{ tone: 'bad', text: t.actions.noMoney }];
  return available < LOW_BALANCE
    ? [{ tone: 'notice', text: t.actions.lowMoney(money(available)) }]
    : [];
}

const machineActions = ({ name, revoked_at, trust }: OwnMachine): RequiredAction[] =>
  revoked_at === null && trust.standing === 'untrusted'
    ? [{ tone: 'bad', text: t.actions.machineUntrusted(name, faultText(trust) ?? '') }]
    : [];

function keyActions(keys: readonly ApiKey[], now: number): RequiredAction[] {
  if (keys.length === 0)
    return [
      {
        tone: 'notice',
        text: t.actions.noKey,
        link: { label: t.actions.createKey, path: PATHS.keys },
      },
    ];
  const used = keys.filter(({ disabled }) => !disabled);
  return [...used.flatMap((key) => expiryActions(key, now)), ...limitsReached(keys)];
}

/** Keys that have used 80 % or all of a spending limit. */
export const limitsReached = (keys: readonly ApiKey[]): RequiredAction[] =>
  keys.filter(({ disabled }) => !disabled).flatMap(limitActions);

const toKeys = { label: t.actions.showKeys, path: PATHS.keys } as const;

function expiryActions({ name, expires_at: expires, created_at }: ApiKey, now: number) {
  if (expires === null) return [];
  const left = Date.parse(expires) - now;
  // A key that was made for some days only is no surprise when it expires.
  const isShortLived = Date.parse(expires) - Date.parse(created_at) < SOON_MS;
  if (left <= 0 || left > SOON_MS || isShortLived) return [];
  const text = t.actions.keyExpires(name, timeAhead(Date.parse(expires), now));
  return [{ tone: 'notice', text, link: toKeys } as const];
}

function limitActions(key: ApiKey): RequiredAction[] {
  const closest = closestLimit(key);
  if (closest === undefined || closest.share < NEAR_LIMIT) return [];
  const window = t.windows[closest.window];
  return closest.share >= 1
    ? [{ tone: 'bad', text: t.actions.keyAtLimit(key.name, window), link: toKeys }]
    : [
        {
          tone: 'notice',
          text: t.actions.keyNearLimit(key.name, window, Math.floor(closest.share * 100)),
          link: toKeys,
        },
      ];
}

export interface UsedLimit {
  readonly window: keyof ApiKey['spent_micro_usd'];
  readonly spent: number;
  readonly limit: number;
  /** Part of the limit that is used; 1 is all of it. */
  readonly share: number;
}

/** The spending limit of a key of which the largest part is used; undefined without a limit. */
export function closestLimit(key: ApiKey): UsedLimit | undefined {
  const limits = {
    day: key.daily_limit_micro_usd,
    week: key.weekly_limit_micro_usd,
    month: key.monthly_limit_micro_usd,
    total: key.total_limit_micro_usd,
  };
  return (Object.keys(limits) as (keyof typeof limits)[])
    .flatMap((window) => {
      const limit = limits[window];
      const spent = key.spent_micro_usd[window];
      return limit === null
        ? []
        : [{ window, spent, limit, share: limit === 0 ? 1 : spent / limit }];
    })
    .toSorted((one, other) => other.share - one.share)[0];
}
