import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { groupedDigits } from '../format/numbers.ts';
import { utcDay } from '../format/periods.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Field } from '../parts/field.tsx';
import { Ago, Money, Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Pager } from '../parts/pager.tsx';
import { PATHS } from '../router.ts';
import { type OwnMachine, useEarnings, useMachines } from '../state/answers.ts';
import { machineState } from '../state/machine-state.ts';
import { invalidate } from '../state/resource.ts';
import { knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';
import { MachineDetails } from './machine-details.tsx';

export function MachinesPage() {
  const machines = useMachines();
  const [removed, setRemoved] = useState<OwnMachine>();
  const [opened, setOpened] = useState<string>();
  const shown = knownValue(machines.state)?.find(({ id }) => id === opened);
  return (
    <>
      <div class="page-head">
        <h1>{t.machines.title}</h1>
        <a class="button primary" href={PATHS.setUp}>
          {t.machines.add}
        </a>
      </div>
      <Loaded of={machines} lines={8}>
        {(list) => {
          const own = list.filter(({ revoked_at }) => revoked_at === null);
          return own.length === 0 ? (
            <Empty title={t.machines.emptyTitle} text={t.machines.empty}>
              <a class="button primary" href={PATHS.setUp}>
                {t.machines.add}
              </a>
            </Empty>
          ) : (
            <MachineList machines={own} open={({ id }) => setOpened(id)} remove={setRemoved} />
          );
        }}
      </Loaded>
      {shown && <MachineDetails machine={shown} close={() => setOpened(undefined)} />}
      {removed && <RemoveMachine machine={removed} close={() => setRemoved(undefined)} />}
    </>
  );
}

/** Machines on one page of the list. */
const SHOWN = 25;

interface ListProps {
  readonly machines: readonly OwnMachine[];
  readonly open: (machine: OwnMachine) => void;
  readonly remove: (machine: OwnMachine) => void;
}

/** The machines, in pages; with a search if there are more than one page. */
function MachineList({ machines, open, remove }: ListProps) {
  const [wanted, setWanted] = useState('');
  const [before, setBefore] = useState<readonly string[]>([]);
  const found = machines.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  const start = Number(before.at(-1) ?? 0);
  const end = Math.min(start + SHOWN, found.length);
  return (
    <>
      {machines.length > SHOWN && (
        <div class="filters">
          <Field label={t.machines.search}>
            {(attributes) => (
              <input
                {...attributes}
                type="search"
                value={wanted}
                onInput={({ currentTarget }) => {
                  setWanted(currentTarget.value);
                  setBefore([]);
                }}
              />
            )}
          </Field>
          <p class="hint" role="status">
            {found.length === 0
              ? t.machines.noMatch
              : t.machines.shown(
                  groupedDigits(start + 1),
                  groupedDigits(end),
                  groupedDigits(found.length),
                )}
          </p>
        </div>
      )}
      <ul class="machines">
        {found.slice(start, end).map((machine) => (
          <MachineCard
            key={machine.id}
            machine={machine}
            open={() => open(machine)}
            remove={() => remove(machine)}
          />
        ))}
      </ul>
      <Pager next={end < found.length ? String(end) : null} before={before} go={setBefore} />
    </>
  );
}

interface CardProps {
  readonly machine: OwnMachine;
  readonly open: () => void;
  readonly remove: () => void;
}

function MachineCard({ machine, open, remove }: CardProps) {
  const { name, chip, enrolled_at, trust, record } = machine;
  const { tone, text } = machineState(machine);
  return (
    <li class="card machine">
      <div class="page-head">
        <div>
          <h2>{name}</h2>
          <Status tone={tone} text={text} />
        </div>
        <p class="actions">
          <button
            type="button"
            class="button small"
            aria-label={t.keys.of(t.machines.details, name)}
            onClick={open}
          >
            {t.machines.details}
          </button>
          <button
            type="button"
            class="button small danger-text"
            aria-label={t.keys.of(t.machines.remove, name)}
            onClick={remove}
          >
            {t.machines.remove}
          </button>
        </p>
      </div>
      <dl class="facts">
        <div>
          <dt>{t.machines.earnedToday}</dt>
          <dd>
            <EarnedToday id={machine.id} />
          </dd>
        </div>
        <div>
          <dt>{t.machines.chip}</dt>
          <dd>{chip ?? t.details.unknown}</dd>
        </div>
        <div>
          <dt>{t.machines.trust}</dt>
          <dd>
            {t.machines.standings[trust.standing]} · {t.chat.levels[trust.level] ?? trust.level}
          </dd>
        </div>
        <div>
          <dt>{t.machines.linked}</dt>
          <dd>
            <Ago at={enrolled_at} />
          </dd>
        </div>
        {record && (
          <div>
            <dt>{t.machines.record}</dt>
            <dd>
              {t.machines.answers(groupedDigits(record.completed), groupedDigits(record.failed))}
            </dd>
          </div>
        )}
      </dl>
    </li>
  );
}

/** What the machine earned since midnight UTC; a machine without paid work is not in the list. */
function EarnedToday({ id }: { id: string }) {
  const earnings = knownValue(useEarnings(utcDay(Date.now())).state);
  if (earnings === undefined) return <>{t.details.unknown}</>;
  const own = earnings.data.filter(({ source }) => source === id);
  return <Money micro={own.reduce((sum, { amount_micro_usd }) => sum + amount_micro_usd, 0)} />;
}

function RemoveMachine({ machine, close }: { machine: OwnMachine; close: () => void }) {
  const remove = async () => {
    await call('DELETE /v1/me/providers/{id}', { path: { id: machine.id } });
    invalidate('machines');
  };
  return (
    <Confirm
      title={t.machines.removeTitle(machine.name)}
      text={t.machines.removeText}
      action={t.machines.removeAction}
      run={remove}
      close={close}
    />
  );
}
