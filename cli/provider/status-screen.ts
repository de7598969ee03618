import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#bus-schemas/message-of.ts';
import { gb } from '#provider/downloads/fit.ts';
import { ownEarnings } from '#provider/own-earnings.ts';
import { SOCKET_NAME, type State } from '#provider/service/control-api.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { earnedInAll } from '#provider/service/earned-sums.ts';
import { logPath } from '#provider/service/log-file.ts';
import { ago, reportedText, span } from '#provider/service/sentence.ts';
import { usd } from '../printed-values.ts';

interface StatusOptions {
  readonly home: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

const LABEL_WIDTH = 11;
/** Earnings are read again after this time, in milliseconds. */
const EARNINGS_MS = 300_000;

/** Prints the state of the machine: one sentence first, then its parts. */
export async function showStatus({ home, json, watch }: StatusOptions): Promise<void> {
  const client = new ControlClient(home);
  if ((await client.hello()) === undefined) {
    const sentence = stoppedSentence(home);
    console.log(json ? JSON.stringify({ phase: 'stopped', sentence }) : sentence);
    return;
  }
  let after = (await client.events(0, 0)).next;
  let earned = '';
  let earnedUntil = 0;
  for (;;) {
    const state = await client.state();
    if (!json && performance.now() >= earnedUntil) {
      earned = await earnedRow(home);
      earnedUntil = performance.now() + EARNINGS_MS;
    }
    console.log(json ? JSON.stringify(state) : screenOf(state, { home, earned }, Date.now()));
    if (!watch) return;
    after = (await client.events(after)).next;
    if (!json) console.log();
  }
}

/** A service that ends in order removes its socket. */
export const stoppedSentence = (home: string): string =>
  existsSync(join(home, SOCKET_NAME))
    ? 'Stopped: the service ended unexpectedly. It is started again within about a minute, unless the computer was restarted. "dinf provider start" starts it at once.'
    : 'Stopped. "dinf provider start" serves in the background.';

/** Sums of the earnings, or why they are not known. */
export const earnedRow = (home: string): Promise<string> =>
  ownEarnings(home).then(
    ({ days }) => earnedText(earnedInAll(days, Date.now())),
    (error: unknown) => `not known: ${messageOf(error)}`,
  );

export const earnedText = ({ today, week, month }: ReturnType<typeof earnedInAll>): string =>
  `${usd(today)} today, ${usd(week)} in 7 days, ${usd(month)} this month`;

/** The speed of a model in its answers since the start; empty without answers. */
function speedOf({ answers }: State, build: string): string {
  const { total = 0, tokens = 0, ms = 0 } = answers.by_build[build] ?? {};
  return ms === 0
    ? ''
    : `, ${total} ${total === 1 ? 'answer' : 'answers'} with ${((tokens * 1_000) / ms).toFixed(1)} tokens/s`;
}

/** Where a model is, by the state of its slot. */
const places: Readonly<Record<string, string>> = {
  resident: 'in memory',
  loading: 'is being loaded',
  cold: 'on the disk',
  failed: 'cannot be loaded',
};
const placeOf = (state: string): string => places[state] ?? state;

/** The memory that loaded models may use, and how much is left; undefined if it is not known. */
export function usedMemory({
  models,
  memory_bytes: total,
}: Pick<State, 'models' | 'memory_bytes'>): string | undefined {
  if (total === undefined) return undefined;
  const used = models
    .filter(({ state }) => state === 'resident' || state === 'loading')
    .reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  return `${gb(used)} of ${gb(total)} for models are used`;
}

/** The pages of prompts on the disk. */
export const prefixSummary = ({
  bytes,
  written_today_bytes,
  tokens_read,
}: NonNullable<State['prefix_disk']>): string =>
  `${gb(bytes)} on the disk, ${tokens_read} tokens read since the start, up to ${gb(written_today_bytes)} written today`;

const HOUR_MS = 3_600_000;
const SUMMED_HOURS = 24;
const SHOWN_REASONS = 2;

/** The faults that the machine has reported to the operator. */
export function reportedSummary(
  { reported }: Pick<State, 'reported'>,
  now: number,
): string | undefined {
  if (reported === undefined) return undefined;
  const { times, last_at } = reported;
  return `${reportedText(times)} to the operator since the start, the last ${ago(now - Date.parse(last_at))}`;
}

/** The hours of the last day without an answer, and their most frequent reasons. */
export function idleSummary(
  { idle_hours: all = [] }: Pick<State, 'idle_hours'>,
  now: number,
): string | undefined {
  const recent = all.filter(({ hour }) => now - Date.parse(hour) <= SUMMED_HOURS * HOUR_MS);
  if (recent.length === 0) return undefined;
  const byCode = Object.values(Object.groupBy(recent, ({ code }) => code));
  const reasons = byCode
    .toSorted((one = [], other = []) => other.length - one.length)
    .slice(0, SHOWN_REASONS)
    .map((hours = []) => `${hours.length} h: ${hours.at(-1)?.text}`);
  return `${recent.length} of the last ${SUMMED_HOURS} h without an answer. ${reasons.join(' ')}`;
}

/** What `dinf provider status` prints while the service runs. */
export function screenOf(
  state: State,
  { home, earned }: { home: string; earned: string },
  now: number,
): string {
  const { provider, coordinator, engine, models, trust, link, answers } = state;
  const rows: [string, string][] = [];
  if (provider !== undefined) rows.push(['machine', provider]);
  if (coordinator !== undefined)
    rows.push([
      'network',
      link === undefined
        ? coordinator
        : `${coordinator}, ${link.fault === undefined ? 'connected' : 'not connected'} for ${span(now - Date.parse(link.since))}`,
    ]);
  if (trust !== undefined)
    rows.push([
      'trust',
      `${trust.standing}, level ${trust.level}${trust.fault === undefined ? '' : ` (${trust.fault})`}`,
    ]);
  for (const { build, state: memory, running, waiting, bytes } of models)
    rows.push([
      'model',
      [
        `${build}  ${placeOf(memory)}`,
        ...(bytes === undefined ? [] : [gb(bytes)]),
        `${running} running`,
        `${waiting} waiting${speedOf(state, build)}${engine === undefined ? '' : ` (${engine})`}`,
      ].join(', '),
    ]);
  const used = usedMemory(state);
  if (used !== undefined) rows.push(['memory', used]);
  if (state.prefix_disk !== undefined) rows.push(['prefixes', prefixSummary(state.prefix_disk)]);
  rows.push([
    'answers',
    answers.last_at === undefined
      ? 'none since the start'
      : `${answers.total} with ${answers.tokens} tokens since the start, the last ${ago(now - Date.parse(answers.last_at))}`,
  ]);
  for (const { text } of state.notes ?? []) rows.push(['note', text]);
  for (const { text } of state.wanted ?? []) rows.push(['wanted', text]);
  if (state.updates !== undefined) rows.push(['updates', `newer versions are ${state.updates}`]);
  if (state.update !== undefined) rows.push(['update', state.update]);
  const reported = reportedSummary(state, now);
  if (reported !== undefined) rows.push(['reported', reported]);
  const idle = idleSummary(state, now);
  if (idle !== undefined) rows.push(['idle', idle]);
  rows.push(['earned', earned], ['log', logPath(home)]);
  return [
    state.sentence,
    '',
    ...rows.map(([label, text]) => label.padEnd(LABEL_WIDTH) + text),
  ].join('\n');
}
