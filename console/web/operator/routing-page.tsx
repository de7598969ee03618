import { useState } from 'preact/hooks';
import { groupedDigits } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { Field } from '../parts/field.tsx';
import { Ago, Status, type Tone } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Together } from '../parts/together.tsx';
import { invalidate, useResource } from '../state/resource.ts';
import { knownValue } from '../state/resource-state.ts';
import { gateText } from '../texts/gate-text.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { ShortId } from './short-id.tsx';
import { o } from './texts.ts';

type Decision = OperatorRoutes['GET /admin/routing/decisions']['answer']['data'][number];
type Explained = OperatorRoutes['GET /admin/routing/explain']['answer'];
type SwitchName = 'affinity' | 'warm_pool';

const DECISIONS_EVERY_MS = 3_000;
const EXPLAIN_EVERY_MS = 10_000;
const SWITCHES: readonly SwitchName[] = ['affinity', 'warm_pool'];

/** The last decisions with the gates that refused, and what routing would decide now. */
export function RoutingPage() {
  const decisions = useResource(
    'decisions',
    async () => (await operatorCall('GET /admin/routing/decisions')).data,
    DECISIONS_EVERY_MS,
  );
  const explained = useExplained('');
  const switches = useSwitches();
  return (
    <>
      <h1>{o.routing.title}</h1>
      <p class="intro">{o.routing.intro}</p>
      <Together of={[decisions, explained, switches]}>
        <section>
          <h2>{o.routing.decisions}</h2>
          <Loaded of={decisions} lines={8}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty title={o.routing.emptyTitle} text={o.routing.empty} />
              ) : (
                <PagedTable
                  caption={o.routing.decisions}
                  rows={rows}
                  columns={DECISION_COLUMNS}
                  keyOf={({ job, outcome, at }) => `${job} ${outcome} ${at}`}
                  textOf={({ job, model, outcome, provider }) =>
                    `${job} ${model} ${outcome} ${provider}`
                  }
                />
              )
            }
          </Loaded>
        </section>
        <RequestNow />
        <Switches />
      </Together>
    </>
  );
}

const TONES: Readonly<Record<string, Tone>> = { placed: 'good', queued: 'notice', refused: 'bad' };

const OUTCOMES: Readonly<Record<string, string>> = o.routing.outcomes;

const DECISION_COLUMNS: readonly Column<Decision>[] = [
  { label: o.routing.time, cell: ({ at }) => <Ago at={at} /> },
  { label: o.routing.model, cell: ({ model }) => model },
  {
    label: o.routing.outcome,
    cell: ({ outcome, candidates }) => (
      <span class="two-lines">
        <Status tone={TONES[outcome] ?? 'quiet'} text={OUTCOMES[outcome] ?? outcome} />
        <span class="hint">{o.routing.candidates(candidates)}</span>
      </span>
    ),
  },
  {
    label: o.routing.machine,
    cell: ({ provider }) => (provider === null ? o.none : <ShortId id={provider} />),
  },
  { label: o.routing.rejected, cell: ({ rejected }) => <Gates counts={rejected} /> },
  {
    label: o.routing.cost,
    isRight: true,
    cell: ({ cost_ms }) => <Cost terms={cost_ms} />,
  },
  { label: o.routing.waited, isRight: true, cell: ({ queued_ms }) => duration(queued_ms) },
];

/** Numbers of machines by the gate that kept them from serving. */
function Gates({ counts }: { counts: Readonly<Record<string, unknown>> }) {
  const gates = Object.entries(counts);
  if (gates.length === 0) return <span class="quiet">{o.none}</span>;
  return <>{gates.map(([gate, count]) => `${gate} ${count}`).join(', ')}</>;
}

/** The sum of the terms of a cost; its title has the terms. */
function Cost({ terms }: { terms: Readonly<Record<string, unknown>> | null }) {
  if (terms === null) return <>–</>;
  const known = Object.entries(terms).map(([name, ms]) => [name, Number(ms)] as const);
  const total = known.reduce((sum, [, ms]) => sum + ms, 0);
  const title = known
    .filter(([, ms]) => ms !== 0)
    .map(([name, ms]) => `${name} ${Math.round(ms)} ms`)
    .join(', ');
  return <span title={title}>{duration(total)}</span>;
}

/** What a request for a model would get now; an empty name stands for all models. */
const useExplained = (model: string) =>
  useResource(
    `explain/${model}`,
    () => operatorCall('GET /admin/routing/explain', { query: model === '' ? {} : { model } }),
    EXPLAIN_EVERY_MS,
  );

const useSwitches = () =>
  useResource('switches', () => operatorCall('GET /admin/routing/switches'));

function RequestNow() {
  const [model, setModel] = useState('');
  const catalog = useResource(
    'catalog',
    async () => (await operatorCall('GET /admin/catalog')).data,
  );
  const explained = useExplained(model);
  return (
    <section>
      <h2>{o.routing.explain}</h2>
      <p class="hint">{o.routing.explainText}</p>
      <div class="filter">
        <Field label={o.routing.model}>
          {(attributes) => (
            <select
              {...attributes}
              value={model}
              onChange={({ currentTarget }) => setModel(currentTarget.value)}
            >
              <option value="">{o.routing.allModels}</option>
              {(knownValue(catalog.state) ?? []).map(({ id }) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <Loaded of={explained} lines={6}>
        {(known) => <ExplainedView explained={known} />}
      </Loaded>
    </section>
  );
}

function ExplainedView({ explained: { slots, tally } }: { explained: Explained }) {
  if (slots.length === 0) return <p class="hint">{o.routing.slotsEmpty}</p>;
  return (
    <>
      <p>
        <Gates counts={tally} />
      </p>
      <PagedTable
        caption={o.routing.explain}
        rows={slots}
        columns={SLOT_COLUMNS}
        keyOf={({ provider, build }) => `${provider} ${build}`}
        textOf={({ provider, build, chip, gate }) => `${provider} ${build} ${chip} ${gate ?? ''}`}
      />
    </>
  );
}

const SLOT_COLUMNS: readonly Column<Explained['slots'][number]>[] = [
  { label: o.routing.machine, cell: ({ provider }) => <ShortId id={provider} /> },
  { label: o.fleet.build, cell: ({ build }) => build },
  {
    label: o.routing.gate,
    cell: ({ gate }) => (
      <Status tone={gate === null ? 'good' : 'notice'} text={gate ?? o.routing.open} />
    ),
  },
  {
    label: o.routing.because,
    cell: ({ gate, because }) => (gate === null ? o.routing.wouldServe : gateText(gate, because)),
  },
  {
    label: o.routing.load,
    isRight: true,
    cell: ({ load, max_concurrency }) =>
      `${groupedDigits(load)} / ${groupedDigits(max_concurrency)}`,
  },
  { label: o.routing.cost, isRight: true, cell: ({ cost_ms }) => <Cost terms={cost_ms} /> },
];

function Switches() {
  const switches = useSwitches();
  return (
    <section>
      <h2>{o.routing.switches}</h2>
      <Loaded of={switches} lines={2}>
        {(known) => (
          <ul class="rows card">
            {SWITCHES.map((name) => (
              <SwitchRow key={name} name={name} isOn={known[name]} />
            ))}
          </ul>
        )}
      </Loaded>
    </section>
  );
}

function SwitchRow({ name, isOn }: { name: SwitchName; isOn: boolean }) {
  const text = o.routing.switchNames[name];
  const label = isOn ? o.routing.turnOff : o.routing.turnOn;
  return (
    <li>
      <span class="two-lines">
        {text}
        <Status tone={isOn ? 'good' : 'notice'} text={isOn ? o.routing.on : o.routing.off} />
      </span>
      <ConfirmedButton
        label={label}
        name={`${label}: ${text}`}
        title={o.routing.switchTitle(text)}
        text={o.routing.switchText}
        run={async () => {
          await operatorCall('PUT /admin/routing/switches/{name}', {
            path: { name },
            body: { on: !isOn },
          });
          invalidate('switches');
        }}
      />
    </li>
  );
}
