import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { bytes } from '../format/numbers.ts';
import { localClock } from '../format/time.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import type { OwnMachine } from '../state/answers.ts';
import { chipKinds } from '../state/comparable-earnings.ts';
import { type DayCell, dayCells } from '../state/machine-day.ts';
import { machineState } from '../state/machine-state.ts';
import { useNow } from '../state/now.ts';
import { useResource } from '../state/resource.ts';
import { faultText } from '../texts/fault-text.ts';
import { gateText } from '../texts/gate-text.ts';
import { t } from '../texts.ts';
import { ComparableEarnings } from './comparable-earnings.tsx';
import { PublicName } from './machine-public-name.tsx';

const MINUTE = 60_000;

/** One machine: its last day, its models, its trust, and what its owner can do. */
export function MachineDetails({ machine, close }: { machine: OwnMachine; close: () => void }) {
  const { tone, text } = machineState(machine);
  return (
    <Dialog title={machine.name} close={close}>
      <Status tone={tone} text={text} />
      <Day id={machine.id} />
      <Models machine={machine} />
      <section>
        <h3>{t.comparable.title}</h3>
        <ComparableEarnings chips={chipKinds([machine])} />
      </section>
      <Trust trust={machine.trust} />
      <PublicName machine={machine} />
      <Commands />
    </Dialog>
  );
}

type Day = Routes['GET /v1/me/providers/{id}/day']['answer'];

function Day({ id }: { id: string }) {
  const day = useResource<Day>(
    `machines/day/${id}`,
    () => call('GET /v1/me/providers/{id}/day', { path: { id } }),
    MINUTE,
  );
  const now = useNow();
  return (
    <section>
      <h3>{t.machines.day}</h3>
      <Loaded of={day} lines={3}>
        {({ hours }) =>
          hours.length === 0 ? (
            <p class="hint">{t.machines.dayUnknown}</p>
          ) : (
            <Strip cells={dayCells(hours, now)} />
          )
        }
      </Loaded>
    </section>
  );
}

/** A bar for each hour: serving above idle above blocked; the rest is unknown. */
function Strip({ cells }: { cells: readonly DayCell[] }) {
  const sum = (part: (cell: DayCell) => number) =>
    cells.reduce((total, cell) => total + part(cell), 0);
  const blocked = [
    ...Map.groupBy(
      cells.filter(({ because }) => because),
      ({ gate, because }) => gateText(gate, because ?? ''),
    ),
  ];
  return (
    <>
      <figure class="day">
        <svg viewBox="0 0 240 40" preserveAspectRatio="none" aria-hidden="true">
          {cells.map((cell, index) => (
            <HourBar key={cell.at} cell={cell} left={index * 10} />
          ))}
        </svg>
        <figcaption>
          <span>{localClock(cells[0]?.at ?? 0)}</span>
          <span>{t.machines.until}</span>
        </figcaption>
      </figure>
      <ul class="plain">
        <li>
          <span class="swatch day-serving" aria-hidden="true" />
          {t.machines.served(hoursOf(sum(({ serving }) => serving)))}
        </li>
        <li>
          <span class="swatch day-idle" aria-hidden="true" />
          {t.machines.waited(hoursOf(sum(({ idle }) => idle)))}
        </li>
        <li>
          <span class="swatch day-blocked" aria-hidden="true" />
          {t.machines.blocked(hoursOf(sum((cell) => cell.blocked)))}
        </li>
        {blocked.map(([because, those]) => (
          <li key={because} class="hint">
            {t.machines.blockedAt(those.map(({ at }) => localClock(at)).join(', '), because)}
          </li>
        ))}
        <li class="hint">{t.machines.unknownHours}</li>
      </ul>
    </>
  );
}

const HEIGHT = 40;

function HourBar({ cell: { serving, idle, blocked }, left }: { cell: DayCell; left: number }) {
  const heights = [serving, idle, blocked].map((minutes) => (HEIGHT * minutes) / 60);
  const [first = 0, second = 0, third = 0] = heights;
  return (
    <>
      <rect class="day-serving" x={left} y={HEIGHT - first} width="9" height={first} />
      <rect class="day-idle" x={left} y={HEIGHT - first - second} width="9" height={second} />
      <rect
        class="day-blocked"
        x={left}
        y={HEIGHT - first - second - third}
        width="9"
        height={third}
      />
    </>
  );
}

const hoursOf = (minutes: number): string =>
  minutes < 60 ? t.machines.minutes(minutes) : t.machines.hours(Math.round(minutes / 60));

function Models({ machine: { slots, memory_bytes } }: { machine: OwnMachine }) {
  if (slots.length === 0) return null;
  // What is true of all models is said once.
  const sentences = new Set(slots.map(sentenceOf));
  const shared = sentences.size === 1 ? [...sentences][0] : undefined;
  const used = slots.reduce(
    (sum, slot) => sum + (slot.in_memory ? (slot.memory_bytes ?? 0) : 0),
    0,
  );
  return (
    <section>
      <h3>{t.machines.models(slots.length)}</h3>
      {shared !== undefined && <p class="hint">{shared}</p>}
      {memory_bytes !== null && (
        <p class="hint">{t.machines.memory(bytes(used), bytes(memory_bytes))}</p>
      )}
      <ul class="slots">
        {slots.map((slot) => (
          <li key={slot.build}>
            <span class="slot-head">
              <Status tone={slot.serves ? 'good' : 'notice'} text={slot.build} />
              <span class="hint">{memoryOf(slot)}</span>
            </span>
            {shared === undefined && <span class="hint">{sentenceOf(slot)}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What a model does, or what keeps it from requests. */
function sentenceOf({ running, gate, because }: OwnMachine['slots'][number]): string {
  if (running > 0) return t.machines.running(running);
  return gate === null ? t.machines.waits : gateText(gate, because);
}

/** Whether a model is in memory, and how much it needs. */
function memoryOf({ in_memory, memory_bytes }: OwnMachine['slots'][number]): string {
  const place = in_memory ? t.machines.inMemory : t.machines.notInMemory;
  return memory_bytes === null ? place : `${place} · ${bytes(memory_bytes)}`;
}

/** The standing, the level, and what would raise them. */
function Trust({ trust }: { trust: OwnMachine['trust'] }) {
  const { standing, level } = trust;
  const raise = standing === 'verified' ? t.machines.raiseLevel[level] : undefined;
  return (
    <section>
      <h3>{t.machines.trust}</h3>
      <p>
        {t.machines.standings[standing]} · {t.chat.levels[level] ?? level}
      </p>
      <p class="hint">{faultText(trust) ?? raise ?? t.machines.raiseStanding[standing]}</p>
    </section>
  );
}

/** What only the machine itself does, so that nobody but its owner can control it from afar. */
function Commands() {
  return (
    <section>
      <h3>{t.machines.control}</h3>
      <p class="hint">{t.machines.controlText}</p>
      <ul class="plain">
        {t.machines.commands.map(([command, text]) => (
          <li key={command} class="secret">
            <code>{command}</code>
            <span class="hint">{text}</span>
            <CopyButton text={command} />
          </li>
        ))}
      </ul>
    </section>
  );
}
