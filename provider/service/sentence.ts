import { trustFaultTexts } from '#bus-schemas';
import { closedTexts, engineFaultTexts } from '../reasons.ts';
import { demandReason } from './demand-reason.ts';
import type { MachineState } from './machine-state.ts';

/** Age from which a router's message says nothing any more, in milliseconds. */
const OLD_REPORT_MS = 300_000;

/** One sentence about what the machine is doing and why, and what its owner can do about it. */
export function sentenceOf(state: MachineState, now: number): string {
  const { down, reason = '', running } = state;
  switch (state.phase) {
    case 'starting':
      return 'Starting: the models are opened, and the machine connects to the network.';
    case 'waiting_for_approval':
      return `Waiting for you: sign in at ${state.approval?.page} and enter ${state.approval?.code} to make this machine yours.`;
    case 'serving':
      return running > 0
        ? `Serving: ${counted(running, 'request')} now.`
        : `Ready${idleTextOf(state, now)}`;
    case 'paused':
      return running > 0
        ? `Paused by you: ${counted(running, 'running request')} will be completed. "dinf provider resume" serves again.`
        : 'Paused by you. "dinf provider resume" serves again.';
    case 'closed':
      return closedSentence(state, now);
    case 'engine_down':
      return `Not serving: ${engineFaultTexts[state.engineFault ?? 'engine_crashed']} It is started again.`;
    case 'disconnected':
      return `Not connected for ${span(now - state.since)}: ${linkFaults[reason] ?? reason} It is tried again without end.`;
    case 'untrusted':
      return `Not trusted by the network, so no requests come: ${trustText(reason)} Only its operator can change this.`;
    case 'unverified':
      return reason === ''
        ? 'Connected: the network checks this machine before it sends requests.'
        : `Connected, but not verified, so no requests come: ${trustText(reason)}`;
    case 'restarting':
      return `Starting again ${until(down?.nextStartAt, now)}: ${reason}`;
    case 'crash_loop':
      return `Failed ${down?.failures} times in a row: ${reason} The next try is ${until(down?.nextStartAt, now)}. "dinf provider logs" shows more.`;
    case 'failed':
      return `Stopped, because it cannot work as it is set up: ${reason} Correct it with "dinf provider start" and other options.`;
    case 'stopping':
      return running > 0
        ? `Stopping: ${counted(running, 'running request')} will be completed first.`
        : 'Stopping.';
  }
}

/** The router's newest report; undefined if it is too old to explain anything. */
export const recentDemand = ({ demand }: MachineState, now: number) =>
  demand === undefined || now - demand.at > OLD_REPORT_MS ? undefined : demand.builds;

/** The builds that the network wants here and that the machine does not serve. */
export const wantedBuilds = ({ desired, models }: MachineState, now: number) =>
  desired === undefined || now - desired.at > OLD_REPORT_MS
    ? []
    : desired.builds.filter(({ build }) => !models.some((model) => model.build === build));

/** States the time without a request of a machine that could serve, and the router's reason. */
function idleTextOf(state: MachineState, now: number): string {
  const { since } = state;
  const { lastAt } = state.answers;
  const demand = recentDemand(state, now);
  const reason = demand && demandReason(demand);
  if (reason !== undefined)
    return `; no request for ${span(now - Math.max(since, lastAt ?? 0))}: ${reason.text}`;
  return lastAt === undefined
    ? ': no request has come yet.'
    : `: the last request ended ${ago(now - lastAt)}.`;
}

function closedSentence({ closed, running }: MachineState, now: number): string {
  const text = closedTexts[closed?.reason ?? 'schedule'];
  const rest = running > 0 ? ` ${counted(running, 'running request')} will be completed.` : '';
  const opens = closed?.until === undefined ? '' : ` It opens ${until(closed.until, now)}.`;
  return `Closed: ${text}${opens}${rest}`;
}

const trustText = (fault: string): string => {
  const text = Object.hasOwn(trustFaultTexts, fault)
    ? trustFaultTexts[fault as keyof typeof trustFaultTexts]
    : fault;
  return text.endsWith('.') ? text : `${text}.`;
};

/** Reasons of `judgeLink` for a leaf without a link. */
const linkFaults: Readonly<Record<string, string>> = {
  leaf_silent: 'the leaf node of this machine does not answer.',
  hubs_unreachable: 'no hub of the network can be reached; check the internet connection.',
  no_link: 'a hub is reachable but does not accept this machine.',
};

const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`;

/** What the machine has reported to the operator, for example `2 × thermal, 1 × oom`. */
export const reportedText = (times: Readonly<Record<string, number>>): string =>
  Object.entries(times)
    .map(([fault, count]) => `${count} × ${fault}`)
    .join(', ');

function until(at: number | undefined, now: number): string {
  return at === undefined || at <= now ? 'now' : `in ${span(at - now)}`;
}

export const ago = (ms: number): string => (ms < 1_000 ? 'just now' : `${span(ms)} ago`);

/** A time span in its largest unit, for example "3 h". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
