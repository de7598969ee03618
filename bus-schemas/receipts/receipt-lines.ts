/**
 * The lines of the texts that are signed, from a receipt with its bytes in hexadecimal. The module
 * uses nothing of Node, so that the console builds the same lines in a browser.
 */

export interface WorkFields {
  readonly version?: 2 | undefined;
  readonly job: string;
  readonly attempt: number;
  readonly build: string;
  readonly usage: {
    readonly promptTokens: number;
    readonly cachedTokens: number;
    readonly completionTokens: number;
  };
  readonly continuedTokens?: number | undefined;
  readonly finish: string;
  readonly requestHash: string;
  readonly responseHash: string;
}

/** The place of a receipt in the group that the provider's signature covers. */
export interface GroupFields {
  readonly index: number;
  readonly size: number;
  readonly proof: readonly string[];
}

export interface SettledFields {
  readonly provider: string;
  readonly signingKey: string;
  readonly signature: string;
  readonly group?: GroupFields | undefined;
  readonly model: string;
  /** Micro-dollars for a million tokens. */
  readonly prices: { readonly input: number; readonly cacheRead: number; readonly output: number };
  readonly chargedMicroUsd: number;
  readonly settledAt: number;
}

/** What the provider signs: its work. */
export function workLines({
  version,
  job,
  attempt,
  build,
  usage: { promptTokens, cachedTokens, completionTokens },
  continuedTokens,
  finish,
  requestHash,
  responseHash,
}: WorkFields): string[] {
  return [
    `d-inference receipt ${version ?? 1}`,
    `job ${job}`,
    `attempt ${attempt}`,
    `build ${build}`,
    `tokens ${promptTokens} ${cachedTokens} ${completionTokens}`,
    ...(continuedTokens === undefined ? [] : [`continued ${continuedTokens}`]),
    `finish ${finish}`,
    `request ${requestHash}`,
    `response ${responseHash}`,
  ];
}

/** What the provider signs if one signature covers several receipts. */
export const groupLines = ({ size, root }: { size: number; root: string }): string[] => [
  'd-inference receipt group 1',
  `receipts ${size}`,
  `root ${root}`,
];

/** What the coordinator adds before it signs all of it. */
export function settledLines({
  provider,
  signingKey,
  signature,
  group,
  model,
  prices,
  chargedMicroUsd,
  settledAt,
}: SettledFields): string[] {
  return [
    'd-inference settled receipt 1',
    `provider ${provider}`,
    `key ${signingKey}`,
    `signature ${signature}`,
    ...(group === undefined ? [] : [`group ${group.index} ${group.size} ${group.proof.join(' ')}`]),
    `model ${model}`,
    `prices ${prices.input} ${prices.cacheRead} ${prices.output}`,
    `charged ${chargedMicroUsd}`,
    `at ${settledAt}`,
  ];
}
