import type { State } from '#provider/service/control-api.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { logPath } from '#provider/service/log-file.ts';
import { ago, span } from '#provider/service/sentence.ts';

interface StatusOptions {
  readonly home: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

const STOPPED = 'Stopped. "dinf provider start" serves in the background.';
const LABEL_WIDTH = 11;

/** Prints the state of the machine: one sentence first, then its parts. */
export async function showStatus({ home, json, watch }: StatusOptions): Promise<void> {
  const client = new ControlClient(home);
  if ((await client.hello()) === undefined) {
    console.log(json ? JSON.stringify({ phase: 'stopped', sentence: STOPPED }) : STOPPED);
    return;
  }
  let after = (await client.events(0, 0)).next;
  for (;;) {
    const state = await client.state();
    console.log(json ? JSON.stringify(state) : screenOf(state, home, Date.now()));
    if (!watch) return;
    after = (await client.events(after)).next;
    if (!json) console.log();
  }
}

function screenOf(state: State, home: string, now: number): string {
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
  for (const { build, state: memory, running, waiting } of models)
    rows.push([
      'model',
      `${build}  ${memory}, ${running} running, ${waiting} waiting${engine === undefined ? '' : ` (${engine})`}`,
    ]);
  rows.push([
    'answers',
    answers.last_at === undefined
      ? 'none since the start'
      : `${answers.total} with ${answers.tokens} tokens since the start, the last ${ago(now - Date.parse(answers.last_at))}`,
  ]);
  rows.push(['log', logPath(home)]);
  return [
    state.sentence,
    '',
    ...rows.map(([label, text]) => label.padEnd(LABEL_WIDTH) + text),
  ].join('\n');
}
