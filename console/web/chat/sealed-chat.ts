import { hex, InferenceRequest } from '#bus-schemas/customer.ts';
import { sha256, utf8 } from '#bus-schemas/platform.ts';
import { SealedClient, type SealedWish } from '#client/sealed-client.ts';
import { SealedError } from '#client/sealed-error.ts';
import { noteRefusal } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import type { ApiMessage } from './api-messages.ts';
import { readLogHead, storeLogHead } from './log-head.ts';
import type { ChatTool } from './tools.ts';

/**
 * The sealed side of the chat. It is a file of its own, which the page loads when it is needed: the
 * libraries for cryptography and schemas are larger than the rest of the console.
 */

export interface SealedQuestion {
  readonly model: string;
  readonly messages: readonly ApiMessage[];
  /** The functions that the model may call. */
  readonly tools: readonly ChatTool[];
  /** Random name of the conversation, which only this browser and the machines see. */
  readonly conversation: string;
  readonly signal: AbortSignal;
}

/** The weakest proof of a machine that is accepted, as for `dinf proxy` and `dinf chat`. */
const MINIMUM_LEVEL = 'self_signed';
/** The session is the cookie, which the browser sends. */
const BY_COOKIE = '';
/**
 * Bytes that the output limit may add to a request. The request is measured before the limit is
 * known.
 */
const LIMIT_ROOM_BYTES = 32;
const UNKNOWN_LIMIT = 1;

let client: SealedClient | undefined;

/** One client for the page, so that every head of the log is compared with the one before. */
function sealedClient(): SealedClient {
  client ??= new SealedClient({
    url: location.origin,
    minimumLevel: MINIMUM_LEVEL,
    savedHead: readLogHead(),
    onHead: storeLogHead,
  });
  return client;
}

/**
 * Seals the question for one checked machine, and opens the answer. Throws ApiFailure for a refusal
 * of the network, and SealedError if a check fails; then nothing readable was sent.
 */
export async function* sealedAnswer({
  model,
  messages,
  tools,
  conversation,
  signal,
}: SealedQuestion): ReturnType<SealedClient['run']> {
  const requestWith = (maxTokens: number): InferenceRequest => ({
    chat: {
      messages: [...messages],
      max_tokens: maxTokens,
      ...(tools.length > 0 && { tools: [...tools] }),
    },
    cacheScope: conversation,
  });
  const wish: SealedWish = {
    model,
    requires: traitsFor(messages, tools),
    affinity: affinityOf(conversation),
    requestBytes: InferenceRequest.encode(requestWith(UNKNOWN_LIMIT)).length + LIMIT_ROOM_BYTES,
  };
  try {
    const sealed = sealedClient();
    const place = await sealed.open(wish, BY_COOKIE, signal);
    const request = requestWith(place.maxTokens);
    return yield* sealed.run({ wish, place, request }, BY_COOKIE, signal);
  } catch (error) {
    throw asFailure(error);
  }
}

/** What the machine must be able to do; the network learns these names, and no content. */
const traitsFor = (
  messages: readonly ApiMessage[],
  tools: readonly ChatTool[],
): NonNullable<SealedWish['requires']> => [
  ...(tools.length > 0 ? (['tools'] as const) : []),
  ...(messages.some(({ content }) => typeof content !== 'string') ? (['vision'] as const) : []),
];

/**
 * The same text for all questions of a conversation, by which the network sends them to the same
 * machine. It is a digest, because the name of the conversation is the scope of the machine's cache:
 * with that scope, the network could test by the speed of an answer whether it guessed a question.
 */
const affinityOf = (conversation: string): string =>
  hex(sha256(utf8(`d-inference affinity ${conversation}`)));

/** A refusal of the network, and an absent network, have their own texts in the console. */
function asFailure(error: unknown): unknown {
  if (!(error instanceof SealedError)) return error;
  if (error.code === 'unreachable') return new ApiFailure('unreachable', '');
  if (error.status === undefined) return error;
  const failure = new ApiFailure(error.code, error.message, { status: error.status });
  noteRefusal(failure);
  return failure;
}
