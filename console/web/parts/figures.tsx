import { exactMoney, money } from '../format/money.ts';
import { localTime, timeAgo, utcTime } from '../format/time.ts';
import { useNow } from '../state/now.ts';

/** An amount of money; its title has the exact one. */
export function Money({ micro }: { micro: number }) {
  return (
    <data class="number" value={micro} title={exactMoney(micro)}>
      {money(micro)}
    </data>
  );
}

/** Amounts with their labels, side by side. */
export function Amounts({
  of,
  class: kind = 'figures',
}: {
  of: readonly (readonly [label: string, micro: number])[];
  class?: string;
}) {
  return (
    <dl class={kind}>
      {of.map(([label, micro]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class="figure">
            <Money micro={micro} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** How long ago something happened; its title has the local time and UTC. */
export function Ago({ at }: { at: string }) {
  const time = Date.parse(at);
  const now = useNow();
  return (
    <time dateTime={at} title={`${localTime(time)} · ${utcTime(time)}`}>
      {timeAgo(time, now)}
    </time>
  );
}

/** A moment: the local time, with UTC as its title. */
export function At({ time }: { time: string | number }) {
  const at = typeof time === 'number' ? time : Date.parse(time);
  return (
    <time dateTime={new Date(at).toISOString()} title={utcTime(at)}>
      {localTime(at)}
    </time>
  );
}

/** The state of a thing in a word, with a dot whose colour repeats it. */
export type Tone = 'good' | 'notice' | 'bad' | 'quiet';
export function Status({ tone, text }: { tone: Tone; text: string }) {
  return (
    <span class={`status status-${tone}`}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  );
}
