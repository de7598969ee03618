import { InferenceRequest, prefixTagOf } from '#bus-schemas';
import { type ChatIntent, forwardedRequest, introspectChat } from '#http-api/core/introspect.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import { type Beginnings, beginningsOf } from '#http-api/core/prefixes.ts';
import { lowerRequest, type Surface } from '#http-api/core/surfaces/surface.ts';
import { type RecountTerms, recountTerms } from '../core/recount.ts';
import { type CompactionOwner, openCompactions } from '../http/compaction.ts';
import { addressesIn, withImages, withPlaceholders } from '../images/images-of-chat.ts';

export interface ChatCall<Api = Surface> {
  readonly surface: Api;
  readonly body: JsonObject;
  /** The caller, whose compactions the request may contain. */
  readonly owner: CompactionOwner;
  /** Whether the ingress fetches the images that requests name by their address. */
  readonly fetchesImages: boolean;
}

/** The properties of a chat request, without the conversation. */
export type ChatWish = Omit<ChatIntent, 'body' | 'messageTexts'>;

export interface ReadChat {
  readonly wish: ChatWish;
  /** Names of the fields of the request that have no effect. */
  readonly ignored: readonly string[];
  /** Addresses of the images that must be fetched before the request is encoded. */
  readonly addresses: readonly string[];
}

export interface ChatTerms {
  readonly maxOutputTokens: number;
  readonly cacheScope: string;
  readonly model: string;
}

export interface EncodedChat extends Beginnings {
  /** Most prompt tokens, for money, with the images that were fetched. */
  readonly promptBound: number;
  /** Tolerances of a recount; undefined if the answer cannot be recounted. */
  readonly recount: RecountTerms | undefined;
  /** Number of alternatives per token, or undefined without log probabilities. */
  readonly topLogprobs: number | undefined;
  /** The request as its provider reads it. */
  readonly encoded: Uint8Array<ArrayBuffer>;
}

/**
 * Everything that takes long for a large chat request: its check, its size, its digests and its
 * encoding. It needs neither bus nor clock, so that it can run in a thread.
 */
export class ChatWork {
  #chat: JsonObject = {};
  #intent: ChatIntent | undefined;

  /** Throws an ApiError with the fault of the request. */
  read({ surface, body, owner, fetchesImages }: ChatCall): ReadChat {
    const { chat, ignored } = lowerRequest(surface, openCompactions(body, owner));
    const addresses = fetchesImages ? addressesIn(chat) : [];
    this.#chat = chat;
    this.#intent = introspectChat(addresses.length === 0 ? chat : withPlaceholders(chat));
    const { body: _body, messageTexts: _texts, ...wish } = this.#intent;
    return { wish, ignored, addresses };
  }

  /** Must follow `read`. `images` are those that were fetched, by their address. */
  encode(
    { maxOutputTokens, cacheScope, model }: ChatTerms,
    images: ReadonlyMap<string, string>,
  ): EncodedChat {
    const intent =
      images.size === 0 ? this.#intent : introspectChat(withImages(this.#chat, images));
    if (intent === undefined) throw new TypeError('no request was read');
    const topLogprobs = topLogprobsOf(intent.body);
    const beginnings = beginningsOf(intent, `${cacheScope} ${model}`);
    const [whole] = beginnings.prefixes;
    return {
      promptBound: intent.promptBound,
      recount: recountTerms(intent.body),
      topLogprobs,
      ...beginnings,
      encoded: InferenceRequest.encode({
        ...forwardedRequest(intent, { maxOutputTokens, cacheScope }),
        ...(whole && { prefixTag: prefixTagOf(whole.key) }),
        // The log probabilities of tokens that another machine takes over are not known.
        ...(intent.streamed && topLogprobs === undefined && { reportsIds: true }),
      }) as Uint8Array<ArrayBuffer>,
    };
  }
}

/** The chat contract has been checked: `top_logprobs` is only valid with `logprobs`. */
function topLogprobsOf({ logprobs, top_logprobs: top }: JsonObject): number | undefined {
  return logprobs === true ? (typeof top === 'number' ? top : 0) : undefined;
}
