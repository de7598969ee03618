import { useEffect, useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { exactMoney } from '../format/money.ts';
import { localTime, utcTime } from '../format/time.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { FactList } from '../parts/fact-list.tsx';
import { At, Money, Status, type Tone } from '../parts/figures.tsx';
import { Table } from '../parts/table.tsx';
import { useAction } from '../state/action.ts';
import { useResource } from '../state/resource.ts';
import { knownValue } from '../state/resource-state.ts';
import { useSession } from '../state/session.ts';
import { t } from '../texts.ts';

type Deposit = Routes['GET /v1/billing/deposits']['answer']['data'][number];
type Receipt = Routes['GET /v1/billing/deposits/{id}/receipt']['answer'];

const TONES: Readonly<Record<Deposit['state'], Tone>> = {
  paid: 'good',
  pending: 'notice',
  expired: 'quiet',
};

const readReceipt = (id: string): Promise<Receipt> =>
  call('GET /v1/billing/deposits/{id}/receipt', { path: { id } });

/** The payments with which credit was bought, each with its two receipts. */
export function Deposits() {
  const list = useResource('balance/deposits', () => call('GET /v1/billing/deposits'));
  const [printed, setPrinted] = useState<Receipt>();
  const action = useAction();
  useEffect(() => {
    if (printed === undefined) return;
    const done = () => setPrinted(undefined);
    addEventListener('afterprint', done, { once: true });
    print();
    return () => removeEventListener('afterprint', done);
  }, [printed]);
  const deposits = knownValue(list.state)?.data ?? [];
  if (deposits.length === 0) return null;
  const show = (id: string) =>
    action.run(async () => {
      const { receipt_url } = await readReceipt(id);
      if (receipt_url === null) throw new Error(t.money.noStripeReceipt);
      location.assign(receipt_url);
    });
  const printOwn = (id: string) => action.run(async () => setPrinted(await readReceipt(id)));
  return (
    <section>
      <h2>{t.money.deposits}</h2>
      <ActionFailure of={action} />
      <Table
        caption={t.money.deposits}
        columns={[
          { title: t.requests.time },
          { title: t.keys.status },
          { title: t.money.amount, isRight: true },
          { title: t.money.receipts },
        ]}
      >
        {deposits.map((deposit) => (
          <tr key={deposit.id}>
            <td data-label={t.requests.time}>
              <At time={deposit.at} />
            </td>
            <td data-label={t.keys.status}>
              <Status tone={TONES[deposit.state]} text={stateOf(deposit)} />
            </td>
            <td data-label={t.money.amount} class="right">
              <Money micro={deposit.amount_micro_usd} />
            </td>
            <td data-label={t.money.receipts}>
              {deposit.state === 'paid' && (
                <span class="links">
                  <button
                    type="button"
                    class="link"
                    disabled={action.isBusy}
                    onClick={() => show(deposit.id)}
                  >
                    {t.money.stripeReceipt}
                  </button>
                  <button
                    type="button"
                    class="link"
                    disabled={action.isBusy}
                    onClick={() => printOwn(deposit.id)}
                  >
                    {t.money.printReceipt}
                  </button>
                </span>
              )}
            </td>
          </tr>
        ))}
      </Table>
      {printed && <PrintedReceipt receipt={printed} />}
    </section>
  );
}

const stateOf = ({ state, returned_micro_usd: returned }: Deposit): string =>
  returned > 0 ? t.money.returnedOf(exactMoney(returned)) : t.money.depositStates[state];

/** Our own receipt, which the print dialog also saves as PDF. */
function PrintedReceipt({ receipt: { deposit, payment } }: { receipt: Receipt }) {
  const session = useSession();
  const account = session.phase === 'signed-in' ? session.session.account : '';
  const at = Date.parse(deposit.at);
  const facts: readonly (readonly [string, string])[] = [
    [t.money.receiptNumber, deposit.id],
    [t.money.paidOn, `${localTime(at)} (${utcTime(at)})`],
    [t.money.amount, exactMoney(deposit.amount_micro_usd)],
    ...(deposit.returned_micro_usd > 0
      ? [[t.money.returnedLater, exactMoney(deposit.returned_micro_usd)] as const]
      : []),
    [t.money.payment, payment],
  ];
  return (
    <div class="printed">
      <h1>{t.money.receiptOf(t.product)}</h1>
      <p>{t.money.account(account)}</p>
      <FactList facts={facts} />
      <p class="hint">{t.money.receiptText}</p>
    </div>
  );
}
