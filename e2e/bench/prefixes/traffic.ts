/**
 * The traffic of one machine of the reference network, from its table of prompt lengths and repeats
 * in a week of September 2026: half of the prompts are longer than `medianTokens` and a tenth longer
 * than `tenthTokens`; nine of ten begin like one about a minute before.
 */
export const workloads = {
  'gpt-oss': { medianTokens: 3_266, tenthTokens: 14_800, repeats: 0.88 },
  gemma: { medianTokens: 2_256, tenthTokens: 6_000, repeats: 0.88 },
} as const;

export interface Workload {
  readonly medianTokens: number;
  readonly tenthTokens: number;
  /** Share of the requests that repeat the beginning of an earlier one. */
  readonly repeats: number;
}

/** One request of the replay. */
export interface ReplayedRequest {
  readonly customer: number;
  readonly prompt: readonly number[];
  /** Time since the request before it, in milliseconds. */
  readonly afterMs: number;
}

interface TrafficOptions {
  readonly workload: Workload;
  readonly requests: number;
  /** Longest prompt in tokens; longer ones are cut. */
  readonly mostTokens: number;
  readonly vocabulary: number;
  readonly random: () => number;
}

const CUSTOMERS = 12;
/** A machine gets a request in about this time, in milliseconds. */
const BETWEEN_MS = 10_000;
/** Conversations of a customer that go on at the same time. */
const OPEN_CONVERSATIONS = 2;
/** Tokens of the answer and the next message of a conversation. */
const TURN_TOKENS = { least: 60, most: 400 };
/** Share of repeats that begin a text of their own after the beginning that all texts of a customer have. */
const NEW_AFTER_BEGINNING = 0.15;
/** The 90 % quantile of the normal distribution. */
const TENTH = 1.2816;

/** Generates requests. Each repeat continues a recent text of its customer, or leaves it. */
export function* trafficOf({
  workload,
  requests,
  mostTokens,
  vocabulary,
  random,
}: TrafficOptions): Generator<ReplayedRequest> {
  const { medianTokens, tenthTokens, repeats } = workload;
  const spread = Math.log(tenthTokens / medianTokens) / TENTH;
  const tokens = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random() * vocabulary));
  const lengthOf = () => Math.ceil(medianTokens * Math.exp(spread * normal(random)));
  const conversations: number[][][] = Array.from({ length: CUSTOMERS }, () => []);
  for (let made = 0; made < requests; made += 1) {
    const customer = Math.floor(random() * CUSTOMERS);
    const open = conversations[customer] as number[][];
    const before = open[Math.floor(random() * open.length)];
    const turn = TURN_TOKENS.least + Math.floor(random() * (TURN_TOKENS.most - TURN_TOKENS.least));
    let prompt: number[];
    if (before === undefined || random() >= repeats) prompt = tokens(lengthOf());
    else if (random() < NEW_AFTER_BEGINNING)
      prompt = [...before.slice(0, Math.floor(before.length / 2)), ...tokens(turn)];
    else prompt = [...before, ...tokens(turn)];
    if (prompt.length > mostTokens) prompt = prompt.slice(0, mostTokens);
    open.push(prompt);
    if (open.length > OPEN_CONVERSATIONS) open.shift();
    yield { customer, prompt, afterMs: -Math.log(1 - random()) * BETWEEN_MS };
  }
}

/** A number of the standard normal distribution. */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
