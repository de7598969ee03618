import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { groupedDigits, tokens } from '../format/numbers.ts';
import { Loaded } from '../parts/loaded.tsx';
import { Table } from '../parts/table.tsx';
import { useResource } from '../state/resource.ts';
import { t } from '../texts.ts';

type Machines = Routes['GET /v1/leaderboard']['answer']['machines'];

const MINUTE = 60_000;

/** The machines whose owners show them, by the answer tokens of 30 days. */
export function Leaderboard() {
  const board = useResource('public/leaderboard', () => call('GET /v1/leaderboard'), MINUTE);
  return (
    <section>
      <h2>{t.status.leaderboardTitle}</h2>
      <p class="hint">{t.status.leaderboardText}</p>
      <Loaded of={board} lines={4}>
        {({ machines }) =>
          machines.length === 0 ? (
            <p class="hint">{t.status.leaderboardEmpty}</p>
          ) : (
            <Ranks machines={machines} />
          )
        }
      </Loaded>
    </section>
  );
}

function Ranks({ machines }: { machines: Machines }) {
  const { place, machine, requests, tokensMonth } = t.status;
  return (
    <Table
      caption={t.status.leaderboardTitle}
      columns={[
        { title: place },
        { title: machine },
        { title: requests, isRight: true },
        { title: tokensMonth, isRight: true },
      ]}
    >
      {machines.map((row, index) => (
        <tr key={row.name}>
          <td class="number" data-label={place}>
            {index + 1}
          </td>
          <td data-label={machine}>{row.name}</td>
          <td class="right number" data-label={requests}>
            {groupedDigits(row.requests)}
          </td>
          <td class="right number" data-label={tokensMonth}>
            {tokens(row.tokens)}
          </td>
        </tr>
      ))}
    </Table>
  );
}
