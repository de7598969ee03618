import { isGiven, isObject, type JsonObject } from './json.ts';

/**
 * Compares the tokens that a machine bills with those that the model's tokenizer finds in the
 * answer.
 *
 * Both numbers differ for honest machines too: the model writes tokens that are no text (the end,
 * marks around thoughts and
 * calls, a stop string), and now and then it spells a word in smaller tokens than the tokenizer
 * would choose. So a claim is
 * wrong only above a factor and an allowance. The allowance alone never makes an answer suspicious.
 */

/** Sampling follows the model's own habits: it was trained on texts that this tokenizer has cut. */
const PLAIN_FACTOR = 1.25;
/** A grammar or a high temperature makes unusual tokens more likely. */
const SHAPED_FACTOR = 2;
/** The end of the answer, marks around thoughts, parts of characters. */
const ANSWER_TOKENS = 32;
/** The markup around the name and arguments of a call. */
const CALL_TOKENS = 48;
/**
 * Above this many tokens a byte every answer is recounted. English has about 0.25, Chinese about
 * 0.4.
 */
const DENSE = 0.5;

export interface RecountTerms {
  readonly factor: number;
  /** Tokens that the answer may have on top, of which the client sees nothing. */
  readonly hiddenTokens: number;
}

/**
 * How closely an answer to this request can be recounted; undefined where it cannot be. With biases
 * and penalties the caller
 * decides which tokens are written, and could make an honest machine look dishonest.
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
    factor: isShaped ? SHAPED_FACTOR : PLAIN_FACTOR,
    hiddenTokens: ANSWER_TOKENS + stopTokens(body['stop']),
  };
}

/** A stop string is billed and not shown. It has at most one token for each byte. */
function stopTokens(stop: unknown): number {
  const strings = Array.isArray(stop) ? stop : [stop];
  return Math.max(
    0,
    ...strings.map((text) => (typeof text === 'string' ? Buffer.byteLength(text) : 0)),
  );
}

export interface Claim {
  /** As the machine bills them. */
  readonly tokens: number;
  /** Calls of tools in the answer. */
  readonly calls: number;
}

export function isOverbilled(
  { tokens, calls }: Claim,
  recounted: number,
  { factor, hiddenTokens }: RecountTerms,
): boolean {
  return tokens > recounted * factor + hiddenTokens + calls * CALL_TOKENS;
}

/** Whether the claim is so high that the answer is recounted in any case. */
export function isDense({ tokens }: Claim, bytes: number): boolean {
  return tokens > ANSWER_TOKENS && tokens > bytes * DENSE;
}
