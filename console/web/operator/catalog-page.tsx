import { pricePerMillion } from '../format/money.ts';
import { localDay, localTime } from '../format/time.ts';
import { Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { invalidate, useResource } from '../state/resource.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { o } from './texts.ts';

type Model = OperatorRoutes['GET /admin/catalog']['answer']['data'][number];

const MINUTE = 60_000;
const PAUSE_SECONDS = 3_600;

/** The models with their aliases, builds and state. */
export function CatalogPage() {
  const catalog = useResource(
    'catalog',
    async () => (await operatorCall('GET /admin/catalog')).data,
    MINUTE,
  );
  return (
    <>
      <h1>{o.models.title}</h1>
      <p class="intro">{o.models.intro}</p>
      <Loaded of={catalog} lines={8}>
        {(models) =>
          models.length === 0 ? (
            <Empty title={o.models.emptyTitle} text={o.models.empty} />
          ) : (
            <PagedTable
              caption={o.models.title}
              rows={models}
              columns={COLUMNS}
              keyOf={({ id }) => id}
              textOf={({ id, display_name, aliases, builds }) =>
                `${id} ${display_name} ${aliases.join(' ')} ${builds.join(' ')}`
              }
            />
          )
        }
      </Loaded>
    </>
  );
}

const COLUMNS: readonly Column<Model>[] = [
  {
    label: o.models.model,
    cell: ({ id, display_name, aliases }) => (
      <span class="two-lines">
        <span class="strong">{display_name}</span>
        <code class="quiet">
          {id}
          {aliases.length > 0 && ` · ${o.models.alias(aliases.join(', '))}`}
        </code>
      </span>
    ),
  },
  {
    label: o.models.builds,
    cell: ({ builds }) => (
      <span class="two-lines">
        {builds.map((build, place) => (
          <code key={build} class={place === 0 ? '' : 'quiet'}>
            {build}
          </code>
        ))}
      </span>
    ),
  },
  {
    label: o.models.price,
    isRight: true,
    cell: ({ input_micro_usd_per_million, output_micro_usd_per_million }) =>
      `${pricePerMillion(input_micro_usd_per_million)} / ${pricePerMillion(output_micro_usd_per_million)}`,
  },
  { label: o.models.state, cell: (model) => <ModelState model={model} /> },
  { label: o.actions, hasActions: true, cell: (model) => <ModelActions model={model} /> },
];

function ModelState({ model: { shed, beta, deprecated_at } }: { model: Model }) {
  if (shed !== null && Date.parse(shed.until) > Date.now())
    return (
      <Status tone="bad" text={o.models.shed(localTime(Date.parse(shed.until)), shed.reason)} />
    );
  if (deprecated_at !== null)
    return <Status tone="notice" text={o.models.deprecated(localDay(Date.parse(deprecated_at)))} />;
  return <Status tone={beta ? 'notice' : 'good'} text={beta ? o.models.beta : o.models.offered} />;
}

function ModelActions({ model: { id, shed, previous_build } }: { model: Model }) {
  const path = { name: id };
  const isShed = shed !== null && Date.parse(shed.until) > Date.now();
  return (
    <>
      {isShed ? (
        <ConfirmedButton
          label={o.models.unpause}
          name={`${o.models.unpause}: ${id}`}
          title={o.models.unpauseTitle(id)}
          text={o.models.unpauseText}
          run={async () => {
            await operatorCall('DELETE /admin/sheds/{name}', { path });
            invalidate('catalog');
          }}
        />
      ) : (
        <ConfirmedButton
          label={o.models.pause}
          name={`${o.models.pause} ${id}`}
          title={o.models.pauseTitle(id)}
          text={o.models.pauseText}
          isDanger
          reason={{ label: o.models.reason }}
          run={async (reason) => {
            const body = { seconds: PAUSE_SECONDS, reason };
            await operatorCall('PUT /admin/sheds/{name}', { path, body });
            invalidate('catalog');
          }}
        />
      )}
      {previous_build !== null && (
        <ConfirmedButton
          label={o.models.revert}
          name={`${o.models.revert} ${id}`}
          title={o.models.revertTitle(id)}
          text={o.models.revertText(previous_build)}
          run={async () => {
            await operatorCall('POST /admin/reverts/{name}', { path });
            invalidate('catalog');
          }}
        />
      )}
    </>
  );
}
