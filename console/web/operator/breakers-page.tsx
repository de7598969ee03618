import { groupedDigits } from '../format/numbers.ts';
import { timeAhead } from '../format/time.ts';
import { Ago, Status, type Tone } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useNow } from '../state/now.ts';
import { useResource } from '../state/resource.ts';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { ShortId } from './short-id.tsx';
import { o } from './texts.ts';

type Answer = OperatorRoutes['GET /admin/breakers']['answer'];
type Machine = Answer['machines'][number];
type Cell = Answer['cells'][number];

const EVERY_MS = 3_000;

/** Machines that get no requests because of their faults, and the cells: since when, and who can act. */
export function BreakersPage() {
  const breakers = useResource('breakers', () => operatorCall('GET /admin/breakers'), EVERY_MS);
  return (
    <>
      <h1>{o.breakers.title}</h1>
      <p class="intro">{o.breakers.intro}</p>
      <Loaded of={breakers} lines={8}>
        {({ machines, cells }) => (
          <>
            <section>
              <h2>{o.breakers.machines}</h2>
              {machines.length === 0 ? (
                <p class="banner banner-good">
                  <Status tone="good" text={o.breakers.noMachines} />
                </p>
              ) : (
                <PagedTable
                  caption={o.breakers.machines}
                  rows={machines}
                  columns={MACHINE_COLUMNS}
                  keyOf={({ provider }) => provider}
                  textOf={({ provider, because }) => `${provider} ${because}`}
                />
              )}
              <p class="hint">{o.breakers.machinesAct}</p>
            </section>
            <section>
              <h2>{o.breakers.cells}</h2>
              <PagedTable
                caption={o.breakers.cells}
                rows={cells}
                columns={CELL_COLUMNS}
                keyOf={({ cell }) => String(cell)}
              />
              <p class="hint">{o.breakers.cellsAct}</p>
            </section>
          </>
        )}
      </Loaded>
    </>
  );
}

const TONES: Readonly<Record<Machine['state'] | Cell['state'], Tone>> = {
  paused: 'bad',
  tried: 'notice',
  cooling: 'notice',
  serves: 'good',
  draining: 'notice',
  gone: 'bad',
};
const CAUSES: Readonly<Record<string, string>> = o.breakers.causes;

/** How far away a time is. */
function Ahead({ at }: { at: string }) {
  return <time dateTime={at}>{timeAhead(Date.parse(at), useNow())}</time>;
}

const MACHINE_COLUMNS: readonly Column<Machine>[] = [
  { label: o.fleet.machine, cell: ({ provider }) => <ShortId id={provider} /> },
  {
    label: o.breakers.state,
    cell: ({ state, times }) => (
      <span class="two-lines">
        <Status tone={TONES[state]} text={o.breakers.states[state]} />
        <span class="hint">
          {state === 'cooling' ? o.breakers.refusals(times) : o.breakers.pauses(times)}
        </span>
      </span>
    ),
  },
  {
    label: o.breakers.because,
    cell: ({ because }) => (because === null ? '–' : (CAUSES[because] ?? because)),
  },
  { label: o.breakers.since, cell: ({ since }) => (since === null ? '–' : <Ago at={since} />) },
  { label: o.breakers.until, cell: ({ until }) => <Ahead at={until} /> },
  { label: o.breakers.act, cell: ({ state }) => o.breakers.acts[state] },
];

const CELL_COLUMNS: readonly Column<Cell>[] = [
  { label: o.fleet.cell, cell: ({ cell }) => String(cell) },
  {
    label: o.breakers.state,
    cell: ({ state }) => <Status tone={TONES[state]} text={o.breakers.cellStates[state]} />,
  },
  { label: o.breakers.since, cell: ({ since }) => <Ago at={since} /> },
  { label: o.fleet.machines, isRight: true, cell: ({ machines }) => groupedDigits(machines) },
  { label: o.fleet.queued, isRight: true, cell: ({ queued }) => groupedDigits(queued) },
  { label: o.fleet.free, isRight: true, cell: ({ free_slots }) => groupedDigits(free_slots) },
  { label: o.breakers.act, cell: ({ cell, state }) => o.breakers.cellActs[state](String(cell)) },
];
