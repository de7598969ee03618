import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { demandReason } from './demand-reason.ts';
import type { MachineState } from './machine-state.ts';
import { recentDemand, sentenceOf } from './sentence.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Hours that are kept: 14 days. */
const MAX_HOURS = 14 * 24;
/** Different reasons that are kept for one hour. */
const MAX_REASONS = 8;
const MAX_TEXT = 200;

const Reason = Type.Object({
  code: Type.String(),
  text: Type.String(),
  minutes: Type.Integer({ minimum: 0 }),
});
const Hour = Type.Object({
  /** Start of the hour, in milliseconds since 1970. */
  start: Type.Integer(),
  answered: Type.Boolean(),
  reasons: Type.Array(Reason, { maxItems: MAX_REASONS }),
});
export type Hour = Static<typeof Hour>;
const Hours = Type.Array(Hour, { maxItems: MAX_HOURS });

/** The state of the machine in one minute. */
interface Minute {
  readonly answered: boolean;
  /** Why no request is being answered; undefined if one is. */
  readonly reason: { readonly code: string; readonly text: string } | undefined;
}

/** An hour in which no minute was noted. */
const MISSED: Hour['reasons'] = [
  { code: 'not_running', text: 'the service did not run, or the computer slept.', minutes: 60 },
];

/** Adds a minute to the hours, which are ordered by their start. */
export function withMinute(
  hours: readonly Hour[],
  { answered, reason }: Minute,
  now: number,
): readonly Hour[] {
  const start = now - (now % HOUR_MS);
  const before = hours.filter((hour) => hour.start < start);
  const present = hours.find((hour) => hour.start === start);
  const last = before.at(-1);
  for (
    let missed = Math.max((last?.start ?? start) + HOUR_MS, start - MAX_HOURS * HOUR_MS);
    missed < start;
    missed += HOUR_MS
  )
    before.push({ start: missed, answered: false, reasons: MISSED });
  const hour = {
    start,
    answered: answered || present?.answered === true,
    reasons: withReason(present?.reasons ?? [], reason),
  };
  return [...before, hour].slice(-MAX_HOURS);
}

function withReason(reasons: Hour['reasons'], reason: Minute['reason']): Hour['reasons'] {
  if (reason === undefined) return reasons;
  const { code } = reason;
  const text = reason.text.slice(0, MAX_TEXT);
  const known = reasons.find((each) => each.code === code);
  if (known === undefined)
    return reasons.length < MAX_REASONS ? [...reasons, { code, text, minutes: 1 }] : reasons;
  // The newest text of a reason replaces the one before.
  return reasons.map((each) =>
    each === known ? { code, text, minutes: known.minutes + 1 } : each,
  );
}

/**
 * Each past hour without an answer, with the reason of most of its minutes; the newest comes last.
 * The present hour may still get an answer.
 */
export const idleHours = (hours: readonly Hour[], now: number) =>
  hours.flatMap(({ start, answered, reasons }) => {
    const [most] = reasons.toSorted((one, other) => other.minutes - one.minutes);
    return answered || most === undefined || start + HOUR_MS > now
      ? []
      : [{ start, code: most.code, text: most.text }];
  });

/** Why the machine answers no request at the moment; undefined if it does, or if it got one. */
export function idleReason(state: MachineState, now: number): Minute['reason'] {
  if (state.phase !== 'serving') return { code: state.phase, text: sentenceOf(state, now) };
  if (state.running > 0) return undefined;
  const demand = recentDemand(state, now);
  return demand === undefined
    ? { code: 'no_report', text: 'the network has not reported why no request came.' }
    : demandReason(demand);
}

interface IdleLogOptions {
  readonly file: string;
  readonly state: () => MachineState;
  readonly onFault: (error: unknown) => void;
}

/**
 * Keeps for each hour of 14 days why the machine answered no request. The file is written at the
 * start of each hour and at the end of the service.
 */
export class IdleLog implements AsyncDisposable {
  readonly #options: IdleLogOptions;
  readonly #timer: NodeJS.Timeout;
  #hours: readonly Hour[];

  private constructor(options: IdleLogOptions, hours: readonly Hour[]) {
    this.#options = options;
    this.#hours = hours;
    this.#timer = setInterval(() => this.note(Date.now()), MINUTE_MS);
  }

  /** A file that cannot be read is reported, and a new one begins. */
  static async open(options: IdleLogOptions): Promise<IdleLog> {
    const hours = await readIfThere(options.file)
      .then((text) => (text === undefined ? [] : checkerOf(Hours).Parse(JSON.parse(text))))
      .catch((error: unknown) => {
        options.onFault(error);
        return [];
      });
    return new IdleLog(options, hours);
  }

  get hours(): readonly Hour[] {
    return this.#hours;
  }

  note(now: number): void {
    const state = this.#options.state();
    const { lastAt = 0 } = state.answers;
    const isNewHour = (this.#hours.at(-1)?.start ?? 0) + HOUR_MS <= now;
    const answered = lastAt >= now - (now % HOUR_MS);
    this.#hours = withMinute(this.#hours, { answered, reason: idleReason(state, now) }, now);
    if (isNewHour) void this.#save();
  }

  #save(): Promise<void> {
    const { file, onFault } = this.#options;
    return replace(file, JSON.stringify(this.#hours)).catch(onFault);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#save();
  }
}
