import { call } from '../api/call.ts';
import { Money } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useResource } from '../state/resource.ts';
import { t } from '../texts.ts';

/** What a withdrawal costs, what arrives and when, before it is made. */
export function Quote({ amount, isInstant }: { amount: number; isInstant: boolean }) {
  const quote = useResource(`quote/${amount}/${isInstant}`, () =>
    call('GET /v1/billing/withdrawals/quote', {
      query: { amount_micro_usd: amount, instant: isInstant },
    }),
  );
  return (
    <Loaded of={quote} lines={1}>
      {({ fee_micro_usd: fee, received_micro_usd: received, arrives }) => (
        <p class="hint" role="status">
          {t.earnings.youGet} <Money micro={received} /> {t.earnings.arrives[arrives]}
          {' · '}
          {t.earnings.fee}: <Money micro={fee} />
        </p>
      )}
    </Loaded>
  );
}
