import { useEffect, useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import { localTime } from '../format/time.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Amounts } from '../parts/figures.tsx';
import { useAction } from '../state/action.ts';
import { useSession } from '../state/session.ts';
import { t } from '../texts.ts';
import { type StatementRow, StatementTable } from './statement.tsx';

/** Rows of one answer, and of a whole document. A longer statement is exported as CSV. */
const PAGE = 1_000;
const MOST = 5_000;

interface Document {
  readonly rows: readonly StatementRow[];
  readonly until: number;
}

/**
 * Prints the statement of a period. The print dialog of each browser also saves it as PDF, so the
 * document has the fonts and the languages of the browser, and the page needs no code for PDF.
 */
export function PrintStatement({ from }: { from: number }) {
  const [document, setDocument] = useState<Document>();
  const action = useAction();
  useEffect(() => {
    if (document === undefined) return;
    const done = () => setDocument(undefined);
    addEventListener('afterprint', done, { once: true });
    print();
    return () => removeEventListener('afterprint', done);
  }, [document]);
  return (
    <>
      <button
        type="button"
        class="button"
        disabled={action.isBusy}
        onClick={() =>
          action.run(async () => setDocument({ rows: await allRows(from), until: Date.now() }))
        }
      >
        {t.money.print}
      </button>
      <ActionFailure of={action} />
      {document && <PrintedStatement from={from} document={document} />}
    </>
  );
}

function PrintedStatement({
  from,
  document: { rows, until },
}: {
  from: number;
  document: Document;
}) {
  const session = useSession();
  const account = session.phase === 'signed-in' ? session.session.account : '';
  const sum = (wanted: (amount: number) => boolean) =>
    rows.reduce(
      (total, row) => total + (wanted(row.amount_micro_usd) ? row.amount_micro_usd : 0),
      0,
    );
  return (
    <section class="printed">
      <h1>{t.money.statementOf(t.product)}</h1>
      <p>{t.money.account(account)}</p>
      <p>{t.money.between(localTime(from), localTime(until))}</p>
      <Amounts
        class="figures four"
        of={[
          [t.money.sumIn, sum((amount) => amount > 0)],
          [t.money.sumOut, sum((amount) => amount < 0)],
          [t.money.sumAll, sum(() => true)],
        ]}
      />
      <StatementTable rows={rows} />
      <p class="hint">{t.money.hourly}</p>
    </section>
  );
}

async function allRows(from: number): Promise<StatementRow[]> {
  const rows: StatementRow[] = [];
  const query = { from: new Date(from).toISOString(), limit: PAGE };
  for (let after: string | null = ''; after !== null; ) {
    const page: { data: StatementRow[]; next: string | null } = await call('GET /v1/statement', {
      query: { ...query, ...(after && { after }) },
    });
    rows.push(...page.data);
    if (rows.length > MOST) throw new ApiFailure('too_long', t.money.tooLong(MOST));
    after = page.next;
  }
  return rows;
}
