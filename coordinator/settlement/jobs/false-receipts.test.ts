import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ack, core, newJobId, Receipts } from '#bus-schemas';
import { jobsOf, receiptOf } from '../jobs-under-test.ts';
import {
  OTHER_PROVIDER,
  PROVIDER,
  type Settlement,
  signed,
  startSettlementUnderTest,
} from '../settlement-under-test.ts';

const FALSE_RECEIPTS = 75_000;
const TOGETHER = 250;

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const { ask, fundedAccount } = jobsOf(() => settlement);

test('75,000 false receipts of one machine leave no row, and the receipt of another machine is stored', {
  timeout: 120_000,
}, async () => {
  const job = newJobId();
  await ask({ job, account: await fundedAccount(1_000) });
  const acks = settlement.bus.connection.subscribe(core.down(PROVIDER, 'ack'), { max: 1 });
  // The first receipt of each message names a job that was ordered from the other machine.
  for (let sent = 0; sent < FALSE_RECEIPTS; sent += TOGETHER) {
    const receipts = Array.from({ length: TOGETHER }, (_, index) =>
      receiptOf(index === 0 ? job : newJobId()),
    );
    settlement.bus.publish(core.up(OTHER_PROVIDER, 'receipt'), Receipts, { receipts });
  }
  settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
    receipts: [signed(receiptOf(job))],
  });
  for await (const { data } of acks)
    expect(Ack.decode(data).receipts).toEqual([{ job, attempt: 1 }]);
  const { rows } = await settlement.database.query('SELECT job, provider FROM receipts');
  expect(rows).toEqual([{ job, provider: PROVIDER }]);
});
