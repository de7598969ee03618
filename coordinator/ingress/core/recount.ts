import { REPORTED_PER_COUNTED, UNSEEN_TOKENS } from '#bus-schemas';
import { isGiven, isObject, type JsonObject } from '#http-api/core/json.ts';

/**
 * Compares the tokens that a machine bills with those that the model's tokenizer finds in the
 * answer. It prevents a machine from billing more tokens than its answer holds.
 *
 * The two numbers differ for honest machines too. The model writes tokens that are not text, such
 * as the end, marks around reasoning and tool calls, or a stop string; and it sometimes spells a
 * word in smaller tokens than the tokenizer would choose. So a claim is overbilled only above a
 * factor and an allowance. The allowance alone never makes an answer suspicious.
 */

/**
 * Most billed tokens for each recounted one with a grammar or a high temperature, which make
 * unusual tokens more likely.
 */
const SHAPED_FACTOR = 2;
/** Tokens of the markup around the name and arguments of a tool call. */
const CALL_TOKENS = 48;
/**
 * Every answer with more tokens per byte of text than this is recounted. English has about 0.25,
 * Chinese about 0.4.
 */
const DENSE = 0.5;

export interface RecountTerms {
  readonly factor: number;
  /** Tokens that may be billed although the client does not see them. */
  readonly hiddenTokens: number;
}

/**
 * The tolerances of a recount of an answer to this request; undefined if it cannot be recounted.
 * With biases and penalties the caller decides which tokens are written, and could make an honest
 * machine appear to overbill.
 */
export function recountTerms(body: JsonObject): RecountTerms | undefined {
  const differs = (field: string, usual: number) => isGiven(body[field]) && body[field] !== usual;
  const bias = body['logit_bias'];
  if (isObject(bias) && Object.keys(bias).length > 0) return undefined;
  if (
    differs('frequency_penalty', 0) ||
    differs('presence_penalty', 0) ||
    differs('repetition_penalty', 1)
  )
    return undefined;
  const format = body['response_format'];
  const isShaped =
    Number(body['temperature'] ?? 1) > 1 ||
    isGiven(body['tools']) ||
    (isObject(format) && format['type'] !== 'text');
  return {
    factor: isShaped ? SHAPED_FACTOR : REPORTED_PER_COUNTED,
    hiddenTokens: UNSEEN_TOKENS + stopTokens(body['stop']),
  };
}

/** Most tokens of a stop string, which is billed and not shown: one for each of its bytes. */
function stopTokens(stop: unknown): number {
  const strings = Array.isArray(stop) ? stop : [stop];
  return Math.max(
    0,
    ...strings.map((text) => (typeof text === 'string' ? Buffer.byteLength(text) : 0)),
  );
}

export interface BilledAnswer {
  /** Completion tokens that the machine bills. */
  readonly tokens: number;
  /** Number of tool calls in the answer. */
  readonly calls: number;
}

export function isOverbilled(
  { tokens, calls }: BilledAnswer,
  recounted: number,
  { factor, hiddenTokens }: RecountTerms,
): boolean {
  return tokens > recounted * factor + hiddenTokens + calls * CALL_TOKENS;
}

/** Whether the claim is so high that the answer is recounted even outside the sample. */
export function isDense({ tokens }: BilledAnswer, bytes: number): boolean {
  return tokens > UNSEEN_TOKENS && tokens > bytes * DENSE;
}
