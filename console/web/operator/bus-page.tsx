import { bytes, groupedDigits } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { Ago, Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Together } from '../parts/together.tsx';
import { useResource } from '../state/resource.ts';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { o } from './texts.ts';

type Hub = OperatorRoutes['GET /admin/hubs']['answer']['data'][number];
type Stream = OperatorRoutes['GET /admin/streams']['answer']['data'][number];

const EVERY_MS = 15_000;

/** The hubs with their leaves, and the streams with readers that are behind. */
export function BusPage() {
  const hubs = useResource(
    'hubs',
    async () => (await operatorCall('GET /admin/hubs')).data,
    EVERY_MS,
  );
  const streams = useResource(
    'streams',
    async () => (await operatorCall('GET /admin/streams')).data,
    EVERY_MS,
  );
  return (
    <>
      <h1>{o.bus.title}</h1>
      <Together of={[hubs, streams]}>
        <section>
          <h2>{o.bus.hubs}</h2>
          <Loaded of={hubs} lines={3}>
            {(rows) =>
              rows.length === 0 ? (
                <p class="hint">{o.bus.hubsEmpty}</p>
              ) : (
                <PagedTable
                  caption={o.bus.hubs}
                  rows={rows}
                  columns={HUB_COLUMNS}
                  keyOf={({ name }) => name}
                />
              )
            }
          </Loaded>
        </section>
        <section>
          <h2>{o.bus.streams}</h2>
          <Loaded of={streams} lines={5}>
            {(rows) => (
              <PagedTable
                caption={o.bus.streams}
                rows={rows}
                columns={STREAM_COLUMNS}
                keyOf={({ stream }) => stream}
              />
            )}
          </Loaded>
        </section>
      </Together>
    </>
  );
}

const HUB_COLUMNS: readonly Column<Hub>[] = [
  { label: o.bus.hub, cell: ({ name }) => <span class="strong">{name}</span> },
  { label: o.bus.version, cell: ({ version }) => version },
  { label: o.bus.started, cell: ({ started_at }) => <Ago at={started_at} /> },
  {
    label: o.bus.connections,
    isRight: true,
    cell: ({ connections }) => groupedDigits(connections),
  },
  { label: o.bus.leaves, isRight: true, cell: ({ leaves }) => groupedDigits(leaves) },
  { label: o.bus.slow, isRight: true, cell: ({ slow_consumers }) => groupedDigits(slow_consumers) },
  { label: o.bus.memory, isRight: true, cell: ({ memory_bytes }) => bytes(memory_bytes) },
];

const STREAM_COLUMNS: readonly Column<Stream>[] = [
  {
    label: o.bus.stream,
    cell: ({ stream, failing }) => (
      <span class="two-lines">
        <span class="strong">{stream}</span>
        {failing !== null && (
          <Status
            tone="bad"
            text={o.bus.failing(duration(failing.seconds * 1_000), failing.error)}
          />
        )}
      </span>
    ),
  },
  { label: o.bus.messages, isRight: true, cell: ({ messages }) => groupedDigits(messages) },
  {
    label: o.bus.size,
    isRight: true,
    cell: ({ bytes: size, maximum_bytes: maximum }) =>
      maximum > 0 ? o.bus.sizeOf(bytes(size), bytes(maximum)) : bytes(size),
  },
  { label: o.bus.copies, cell: (stream) => <Copies of={stream} /> },
  { label: o.bus.readers, cell: ({ readers }) => <Readers of={readers} /> },
];

/** The hubs that have the stream; one that lags behind the leader would lose messages with it. */
function Copies({ of: { leader, copies } }: { of: Stream }) {
  const late = copies.filter(({ current }) => !current);
  if (copies.length === 0)
    return <span class="quiet">{o.bus.oneCopy(leader ?? o.bus.noLeader)}</span>;
  if (leader === null) return <Status tone="bad" text={o.bus.noLeader} />;
  if (late.length === 0)
    return <Status tone="good" text={o.bus.allCurrent(leader, groupedDigits(copies.length))} />;
  return (
    <span class="two-lines">
      {late.map(({ hub, lag }) => (
        <Status key={hub} tone="notice" text={o.bus.lags(hub, groupedDigits(lag))} />
      ))}
    </span>
  );
}

function Readers({ of }: { of: Stream['readers'] }) {
  if (of.length === 0) return <span class="quiet">{o.bus.noReaders}</span>;
  const behind = of.filter(({ waiting, unacknowledged }) => waiting + unacknowledged > 0);
  if (behind.length === 0) return <Status tone="good" text={o.bus.upToDate} />;
  return (
    <span class="two-lines">
      {behind.map(({ reader, waiting, unacknowledged }) => (
        <Status
          key={reader}
          tone="notice"
          text={o.bus.behind(reader, groupedDigits(waiting), groupedDigits(unacknowledged))}
        />
      ))}
    </span>
  );
}
