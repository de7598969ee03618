import { setTimeout as delay } from 'node:timers/promises';
import { type PrintedReceipt, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { answerIfAny } from './call-until.ts';

/**
 * Time between two tries, in milliseconds. Providers send receipts in batches, and the ledger
 * charges in batches, so the receipt is not ready at once.
 */
const EVERY_MS = 50;
const LONGEST_MS = 3_000;
const CALL = { eachMs: 1_000, totalMs: 1_000 };

/**
 * The signed receipt of a job that has just ended, as soon as it exists; undefined if that takes
 * too long.
 */
export async function receiptWhenSettled(
  bus: Bus,
  asked: { account: string; job: string },
  clock: () => number,
): Promise<PrintedReceipt | undefined> {
  for (const giveUpAt = clock() + LONGEST_MS; clock() < giveUpAt; await delay(EVERY_MS)) {
    const answer = await answerIfAny(bus, services.settlement.receipt, asked, CALL);
    if (answer?.ok) return answer.receipt;
    if (answer?.code === 'forged') return undefined;
  }
  return undefined;
}
