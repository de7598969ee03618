import type { Routes } from '../api/routes.ts';

type Balance = Routes['GET /v1/balance']['answer'];
export type BalanceFigure = 'available' | 'held' | 'promotional' | 'withdrawable' | 'owed';

/** The amounts that *Money* shows of a balance, in micro-dollars. A debt is shown only if there is one. */
export function balanceFigures(balance: Balance): (readonly [BalanceFigure, number])[] {
  return [
    ['available', balance.available_micro_usd],
    ['held', balance.held_micro_usd],
    ['promotional', balance.promotional_micro_usd],
    ['withdrawable', balance.withdrawable_micro_usd],
    ...(balance.owed_micro_usd > 0 ? [['owed', balance.owed_micro_usd] as const] : []),
  ];
}
