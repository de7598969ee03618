import { balancesMethods } from './settlement/balances.ts';
import { booksMethods } from './settlement/books.ts';
import { connectionMethods } from './settlement/connection.ts';
import { earningsMethods } from './settlement/earnings.ts';
import { holdsMethods } from './settlement/holds.ts';
import { keyCapsMethods } from './settlement/key-caps.ts';
import { pricesMethods } from './settlement/prices.ts';
import { receiptsMethods } from './settlement/receipts.ts';
import { rewardsMethods } from './settlement/rewards.ts';
import { statementsMethods } from './settlement/statements.ts';
import { stripeMethods } from './settlement/stripe.ts';

/**
 * Requests of the other components about money. All amounts are whole micro-dollars, except where
 * another unit is named.
 */
export const settlement = {
  ...holdsMethods,
  ...balancesMethods,
  ...pricesMethods,
  ...keyCapsMethods,
  ...statementsMethods,
  ...receiptsMethods,
  ...earningsMethods,
  ...rewardsMethods,
  ...stripeMethods,
  ...connectionMethods,
  ...booksMethods,
} as const;
