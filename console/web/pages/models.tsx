import { useState } from 'preact/hooks';
import { pricePerMillion } from '../format/money.ts';
import { groupedDigits, tokens } from '../format/numbers.ts';
import { duration, localDay } from '../format/time.ts';
import { Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Table } from '../parts/table.tsx';
import { PATHS } from '../router.ts';
import {
  type ListedModel,
  type ListedPrice,
  type ModelCapacity,
  type ModelSpeed,
  type OfferedModel,
  useModels,
  writesAnswers,
} from '../state/answers.ts';
import { t } from '../texts.ts';

/** The models; people without a session cannot chat. */
export function ModelsPage({ canChat }: { canChat: boolean }) {
  const models = useModels();
  return (
    <>
      <h1>{t.models.title}</h1>
      <p class="intro">{t.models.intro}</p>
      <Loaded of={models} lines={8}>
        {(offered) =>
          offered.length === 0 ? (
            <Empty title={t.models.emptyTitle} text={t.models.empty} />
          ) : (
            <FoundModels offered={offered} canChat={canChat} />
          )
        }
      </Loaded>
    </>
  );
}

/** Number of models from which a field to search them is useful. */
const MANY = 8;

interface OfferedModels {
  readonly offered: readonly OfferedModel[];
  readonly canChat: boolean;
}

function FoundModels({ offered, canChat }: OfferedModels) {
  const [wanted, setWanted] = useState('');
  const found = offered
    .filter((each) => matches(each, wanted))
    .toSorted((one, other) => readyOf(other) - readyOf(one));
  return (
    <>
      {offered.length >= MANY && (
        <input
          type="search"
          class="search"
          aria-label={t.models.search}
          placeholder={t.models.search}
          value={wanted}
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
      )}
      {found.length === 0 ? (
        <p class="hint">{t.models.noMatch}</p>
      ) : (
        <ModelTable offered={found} canChat={canChat} />
      )}
    </>
  );
}

const readyOf = ({ capacity }: OfferedModel): number =>
  Math.sign(capacity?.routable_providers ?? 0);

const matches = ({ model: { id, display_name: name }, aliases }: OfferedModel, wanted: string) =>
  `${id} ${name} ${aliases.join(' ')}`.toLowerCase().includes(wanted.trim().toLowerCase());

function ModelTable({ offered, canChat }: OfferedModels) {
  return (
    <Table
      caption={t.models.title}
      columns={[
        { title: t.models.name },
        { title: t.models.machines },
        { title: t.models.features },
        { title: t.models.context, isRight: true },
        { title: t.models.firstContent, isRight: true, hint: t.models.firstContentTitle },
        { title: t.models.speed, isRight: true, hint: t.models.speedTitle },
        { title: t.models.priceIn, isRight: true, hint: t.models.perMillion },
        { title: t.models.priceCached, isRight: true, hint: t.models.perMillion },
        { title: t.models.priceOut, isRight: true, hint: t.models.perMillion },
        ...(canChat ? [{ title: t.keys.actions, isHidden: true }] : []),
      ]}
      note={t.models.perMillion}
    >
      {offered.map((each) => (
        <ModelRow key={each.model.id} offered={each} canChat={canChat} />
      ))}
    </Table>
  );
}

function ModelRow({
  offered: { model, aliases, price, capacity, speed },
  canChat,
}: {
  offered: OfferedModel;
  canChat: boolean;
}) {
  return (
    <tr>
      <td data-label={t.models.name}>
        <ModelName model={model} aliases={aliases} />
      </td>
      <td data-label={t.models.machines}>
        <Machines capacity={capacity} />
      </td>
      <td data-label={t.models.features}>{featuresOf(model)}</td>
      <td
        data-label={t.models.context}
        class="right"
        title={t.models.tokens(groupedDigits(model.context_length))}
      >
        {tokens(model.context_length)}
      </td>
      <SpeedCells speed={speed} />
      <PriceCells price={price} />
      {canChat && (
        <td class="row-actions">{writesAnswers({ model }) && <ChatLink model={model} />}</td>
      )}
    </tr>
  );
}

const ChatLink = ({ model }: Pick<OfferedModel, 'model'>) => (
  <a
    class="button small"
    href={`${PATHS.chat}?model=${encodeURIComponent(model.id)}`}
    aria-label={t.models.tryName(model.display_name)}
  >
    {t.models.tryIt}
  </a>
);

/** The median, with the value that 95 % of the answers were not worse than below it. */
function SpeedCells({ speed }: { speed: ModelSpeed | undefined }) {
  const day = speed?.last_day;
  const perSecond = (tokens: number) =>
    t.models.tokensPerSecond(groupedDigits(tokens < 10 ? tokens : Math.round(tokens)));
  return (
    <>
      <td data-label={t.models.firstContent} class="right">
        {day ? (
          <Spread
            median={duration(day.first_content_ms.p50)}
            others={t.models.within(duration(day.first_content_ms.p95))}
          />
        ) : (
          t.models.noSpeed
        )}
      </td>
      <td data-label={t.models.speed} class="right">
        {day ? (
          <Spread
            median={perSecond(day.tokens_per_second.p50)}
            others={t.models.atLeast(perSecond(day.tokens_per_second.p95))}
          />
        ) : speed?.tokens_per_second ? (
          perSecond(speed.tokens_per_second)
        ) : (
          t.models.noSpeed
        )}
      </td>
    </>
  );
}

function Spread({ median, others }: { median: string; others: string }) {
  return (
    <span class="two-lines number">
      {median}
      <span class="quiet small-text">{others}</span>
    </span>
  );
}

interface ModelNameProps {
  readonly model: ListedModel;
  readonly aliases: readonly string[];
}

function ModelName({ model, aliases }: ModelNameProps) {
  const { id, display_name: name, beta, deprecation } = model;
  return (
    <span class="two-lines">
      <span class="strong">
        {name} {beta && <span class="tag">{t.models.beta}</span>}
        {deprecation?.sunset_at && (
          <span class="tag">
            {t.models.deprecated(localDay(Date.parse(deprecation.sunset_at)))}
          </span>
        )}
      </span>
      <code class="quiet">
        {id}
        {aliases.length > 0 && ` · ${t.models.alsoNamed(aliases.join(', '))}`}
      </code>
    </span>
  );
}

function Machines({ capacity }: { capacity: ModelCapacity | undefined }) {
  if (capacity === undefined || capacity.routable_providers === 0)
    return <Status tone="quiet" text={t.models.noMachines} />;
  const { routable_providers: all, warm_providers: warm, queued_requests: queued } = capacity;
  return (
    <span title={t.models.warm(warm, all)}>
      <Status
        tone={capacity.can_accept ? 'good' : 'notice'}
        text={
          queued > 0
            ? `${all} · ${t.models.queued(queued)}`
            : `${groupedDigits(all)} ${t.models.serve}`
        }
      />
    </span>
  );
}

function PriceCells({ price }: { price: ListedPrice | undefined }) {
  if (price === undefined)
    return (
      <td colSpan={3} class="right quiet" data-label={t.models.priceIn}>
        {t.models.noPrice}
      </td>
    );
  const cells = [
    [t.models.priceIn, price.input_micro_usd_per_million],
    [t.models.priceCached, price.cache_read_micro_usd_per_million],
    [t.models.priceOut, price.output_micro_usd_per_million],
  ] as const;
  return (
    <>
      {cells.map(([label, micro]) => (
        <td key={label} class="right number" data-label={label}>
          {pricePerMillion(micro)}
        </td>
      ))}
    </>
  );
}

const featuresOf = ({ features }: ListedModel): string =>
  features.map((feature) => t.models.featureNames[feature] ?? feature).join(', ') ||
  t.models.noFeatures;
