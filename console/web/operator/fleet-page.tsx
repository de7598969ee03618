import { groupedDigits } from '../format/numbers.ts';
import { Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Together } from '../parts/together.tsx';
import { invalidate, useResource } from '../state/resource.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { Counts } from './counts.tsx';
import { IncidentSummary } from './incident-summary.tsx';
import { useIncidents } from './incidents-page.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import { PublicNames, usePublicNames } from './public-names.tsx';
import type { OperatorRoutes } from './routes.ts';
import { ShortId } from './short-id.tsx';
import { o } from './texts.ts';

type Capacity = OperatorRoutes['GET /admin/capacity']['answer'];
type Machine = OperatorRoutes['GET /admin/fleet']['answer']['data'][number];

const EVERY_MS = 10_000;

/** What is wrong in the network, its capacity, its machines, and their public names. */
export function FleetPage() {
  const incidents = useIncidents();
  const capacity = useResource('capacity', () => operatorCall('GET /admin/capacity'), EVERY_MS);
  const fleet = useResource(
    'fleet',
    async () => (await operatorCall('GET /admin/fleet')).data,
    EVERY_MS,
  );
  const names = usePublicNames();
  return (
    <>
      <h1>{o.fleet.title}</h1>
      <Together of={[incidents, capacity, fleet, names]}>
        <IncidentSummary />
        <Loaded of={capacity} lines={6}>
          {(known) => <CapacityView capacity={known} />}
        </Loaded>
        <section>
          <h2>{o.fleet.machines}</h2>
          <Loaded of={fleet} lines={8}>
            {(machines) =>
              machines.length === 0 ? (
                <Empty title={o.fleet.emptyTitle} text={o.fleet.empty} />
              ) : (
                <PagedTable
                  caption={o.fleet.machines}
                  rows={machines}
                  columns={MACHINE_COLUMNS}
                  keyOf={({ provider, build }) => `${provider} ${build}`}
                  textOf={({ provider, build, chip, state }) =>
                    `${provider} ${build} ${chip} ${stateText(state)}`
                  }
                />
              )
            }
          </Loaded>
        </section>
        <PublicNames />
      </Together>
    </>
  );
}

function CapacityView({
  capacity: { builds, cells, queued, queue_limit },
}: {
  capacity: Capacity;
}) {
  const sum = (pick: (cell: Capacity['cells'][number]) => number) =>
    groupedDigits(cells.reduce((total, cell) => total + pick(cell), 0));
  const running = builds.reduce((total, build) => total + build.running, 0);
  return (
    <>
      <Counts
        of={[
          [o.fleet.machines, sum(({ machines }) => machines)],
          [o.fleet.running, groupedDigits(running)],
          [o.fleet.free, sum(({ free_slots }) => free_slots)],
          [
            o.fleet.queued,
            `${groupedDigits(queued)} ${o.fleet.queueOf(groupedDigits(queue_limit))}`,
          ],
        ]}
      />
      <section>
        <h2>{o.fleet.builds}</h2>
        <PagedTable
          caption={o.fleet.builds}
          rows={builds}
          columns={BUILD_COLUMNS}
          keyOf={({ build }) => build}
          textOf={({ build }) => build}
        />
      </section>
    </>
  );
}

const BUILD_COLUMNS: readonly Column<Capacity['builds'][number]>[] = [
  { label: o.fleet.build, cell: ({ build }) => build },
  { label: o.fleet.machines, isRight: true, cell: ({ machines }) => groupedDigits(machines) },
  { label: o.fleet.warm, isRight: true, cell: ({ warm }) => groupedDigits(warm) },
  { label: o.fleet.running, isRight: true, cell: ({ running }) => groupedDigits(running) },
  { label: o.fleet.free, isRight: true, cell: ({ free_slots }) => groupedDigits(free_slots) },
  {
    label: o.fleet.speed,
    isRight: true,
    cell: ({ tokens_per_second }) => groupedDigits(Math.round(tokens_per_second)),
  },
];

const stateText = (state: string): string =>
  (o.fleet.states as Readonly<Record<string, string>>)[state] ?? state;

const MACHINE_COLUMNS: readonly Column<Machine>[] = [
  { label: o.fleet.machine, cell: ({ provider }) => <ShortId id={provider} /> },
  { label: o.fleet.build, cell: ({ build }) => build },
  {
    label: o.fleet.state,
    cell: ({ state }) => (
      <Status tone={state === 'resident' ? 'good' : 'quiet'} text={stateText(state)} />
    ),
  },
  {
    label: o.fleet.chip,
    cell: ({ chip, simulated }) => (
      <span>
        {chip} {simulated && <span class="tag">{o.fleet.simulated}</span>}
      </span>
    ),
  },
  { label: o.fleet.running, isRight: true, cell: ({ running }) => groupedDigits(running) },
  {
    label: o.actions,
    hasActions: true,
    cell: ({ provider, state }) => <MachineActions id={provider} state={state} />,
  },
];

function MachineActions({ id, state }: { id: string; state: string }) {
  const path = { id };
  const after = () => invalidate('fleet', 'capacity');
  const isPaused = state === 'paused';
  return (
    <>
      {isPaused ? (
        <ConfirmedButton
          label={o.fleet.resume}
          name={o.fleet.of(o.fleet.resume, id)}
          title={o.fleet.resumeTitle}
          text={o.fleet.resumeText(id)}
          run={async () => {
            await operatorCall('POST /admin/providers/{id}/resume', { path });
            after();
          }}
        />
      ) : (
        <ConfirmedButton
          label={o.fleet.drain}
          name={o.fleet.of(o.fleet.drain, id)}
          title={o.fleet.drainTitle}
          text={o.fleet.drainText(id)}
          run={async () => {
            await operatorCall('POST /admin/providers/{id}/drain', { path });
            after();
          }}
        />
      )}
      <ConfirmedButton
        label={o.fleet.remove}
        name={o.fleet.of(o.fleet.remove, id)}
        title={o.fleet.removeTitle}
        text={o.fleet.removeText(id)}
        isDanger
        run={async () => {
          await operatorCall('DELETE /admin/providers/{id}', { path });
          after();
        }}
      />
    </>
  );
}
