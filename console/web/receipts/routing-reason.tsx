import { decimal } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { t } from '../texts.ts';
import type { Generation } from './request-timeline.tsx';

/** Why routing chose this machine: its terms, which sum, and the machines that could not serve. */
export function RoutingReason({ generation: { routing } }: { generation: Generation }) {
  if (routing === null) return <p class="hint">{t.routing.unknown}</p>;
  const { terms, refused, able_machines: able, queued_ms: queued, failed_choice: failed } = routing;
  const sum = terms.reduce((total, { ms }) => total + ms, 0);
  return (
    <section class="routing-reason">
      <h3>{t.routing.title}</h3>
      <p>{t.routing.able(able)}</p>
      {failed !== null && <p class="hint">{t.routing.another(failed.slice(0, SHOWN_KEY))}</p>}
      {queued >= 1 && <p class="hint">{t.routing.queued(duration(queued))}</p>}
      {terms.length > 0 && (
        <table class="terms">
          <caption class="visually-hidden">{t.routing.termsCaption}</caption>
          <tbody>
            {terms.map(({ term, ms }) => (
              <tr key={term}>
                <th scope="row">{t.routing.terms[term] ?? term}</th>
                <td class="number">{exactMs(ms)}</td>
              </tr>
            ))}
            <tr class="sum">
              <th scope="row">{t.routing.sum}</th>
              <td class="number">{exactMs(sum)}</td>
            </tr>
          </tbody>
        </table>
      )}
      <Refused refused={refused} />
    </section>
  );
}

/** Tenths of a millisecond, so that the terms add up to their sum. */
const exactMs = (ms: number): string =>
  ms < 1_000 ? `${decimal(ms.toFixed(1))} ms` : duration(ms);

/** Characters of a machine's key that are shown. */
const SHOWN_KEY = 8;

function Refused({ refused }: Pick<NonNullable<Generation['routing']>, 'refused'>) {
  if (refused.length === 0) return null;
  const most = refused.toSorted((one, other) => other.machines - one.machines);
  return (
    <>
      <p>{t.routing.refused(refused.reduce((sum, { machines }) => sum + machines, 0))}</p>
      <ul class="gates">
        {most.map(({ gate, machines }) => (
          <li key={gate}>
            {machines} × {t.routing.gates[gate] ?? gate.replaceAll('_', ' ')}
          </li>
        ))}
      </ul>
    </>
  );
}
