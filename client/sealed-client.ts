import {
  type Delta,
  EncodingRequest,
  fromHex,
  type InferenceEnd,
  InferenceRequest,
  JobId,
  type JobSeals,
  LruMap,
  RelaySenders,
  type Trait,
  type TrustLevel,
} from '#bus-schemas/customer.ts';
import { checkerOf, joined, sha256, utf8 } from '#bus-schemas/platform.ts';
import { Type } from '#bus-schemas/type.ts';
import { Connection, type ServerAnswer } from '#client/connection.ts';
import { type Call, errorOf, readJson } from './call.ts';
import { KnownMachines } from './known-machines.ts';
import { LogView, type PrintedHead } from './log-view.ts';
import { Offer, OfferCheck } from './offer-check.ts';
import { SealedError } from './sealed-error.ts';
import { SealedStream } from './sealed-stream.ts';

export interface SealedClientOptions {
  /** The URL of the coordinator. */
  readonly url: string;
  readonly minimumLevel: TrustLevel;
  /**
   * The key of the transparency log, in hexadecimal. Without it, the key of the first head is
   * trusted from then on.
   */
  readonly logKey?: string | undefined;
  readonly savedHead?: PrintedHead | undefined;
  readonly onHead?: (head: PrintedHead) => void;
}

/**
 * The properties of a request that the coordinator needs for routing and billing, because it cannot
 * read the request.
 */
export interface SealedWish {
  readonly model: string;
  readonly maxTokens?: number | undefined;
  readonly requires?: readonly Trait[];
  readonly provider?: unknown;
  readonly affinity?: string;
  /** `self` allows only the caller's own machines, `prefer` tries those first. */
  readonly route?: string | undefined;
  /** Most tokens that the model reads, if they can be more than `requestBytes`. */
  readonly promptTokens?: number;
  /** Largest size of the request, in bytes. */
  readonly requestBytes: number;
}

/** The machine for which a request is sealed, and the job under which it is sent. */
export interface Place {
  readonly job: string;
  /** Largest number of output tokens that the request may ask for. */
  readonly maxTokens: number;
  readonly offer: Offer;
  /**
   * True if the coordinator has reserved the machine for this job. Otherwise it reserves the
   * machine when the request arrives.
   */
  readonly isHeld: boolean;
}

/** A request that is about to be sealed, its properties for the coordinator, and its place. */
export interface Sealed {
  readonly wish: SealedWish;
  readonly place: Place;
  readonly request: SealableRequest;
}

/** A request for an answer, or for the vectors or relevances of texts. */
export type SealableRequest = InferenceRequest | EncodingRequest;

/**
 * The machine that answers, and the key of the hashes in its receipt. Only this client and that
 * machine have the key.
 */
export type SealedServing = { readonly k: 'serving'; readonly receiptSalt: Uint8Array } & Place;

/** An event of a job: the machine that serves it, or a piece of its answer. */
export type SealedEvent = SealedServing | Delta;

const sessionShape = checkerOf(
  Type.Object({
    id: JobId,
    model: Type.String(),
    max_tokens: Type.Integer({ minimum: 1 }),
    offer: Offer,
  }),
);
const nextOfferShape = checkerOf(Type.Object({ offer: Offer }));

const JSON_TYPE = 'application/json';
const SEALED_TYPE = 'application/octet-stream';
const NEXT_JOB = 'x-dinf-next-job';
/**
 * Bytes that the name of the offered build adds to the sealed request: its field name, its length
 * and at most 128 characters.
 */
const BUILD_FIELD_BYTES = 160;
const MAX_OFFERS = 4;
/** Longest wait for the answer to a cancel, in milliseconds. */
const CANCEL_MS = 2_000;
const MAX_JOB_IDS = 256;
/**
 * Maximum number of names of sealed requests. None is dropped alone, because that request could then
 * be sealed a second time under the same key and nonces (see `#sealsFor`).
 */
const MAX_SEALED = 100_000;

/**
 * Sends requests that only the answering machine can read. An empty `authorization` is not sent:
 * the cookie of the console then names the account. The client checks each machine that the
 * coordinator offers, seals the request for it, and checks every frame of the answer.
 */
export class SealedClient implements Disposable {
  readonly log: LogView;
  readonly #connection: Connection;
  readonly #check: OfferCheck;
  readonly #minimumLevel: TrustLevel;
  #senders = new RelaySenders();
  /**
   * Job, attempt and machine key of every request that was sealed with the contexts of `#senders`.
   */
  readonly #sealed = new Set<string>();
  readonly #machines = new KnownMachines();
  /**
   * Job ids that the coordinator has assigned to future requests, by the API key that they were
   * sent to.
   */
  readonly #jobIds = new LruMap<string, string[]>(MAX_JOB_IDS);

  constructor({ url, minimumLevel, logKey, savedHead, onHead }: SealedClientOptions) {
    this.#minimumLevel = minimumLevel;
    this.#connection = new Connection(url);
    const get = (path: string) => this.#connection.json({ method: 'GET', path });
    this.log = new LogView({
      get,
      now: Date.now,
      key: logKey,
      savedHead,
      ...(onHead && { onHead }),
    });
    this.#check = new OfferCheck({ log: this.log, get, minimumLevel, now: Date.now });
  }

  /** Sends a request that is not sealed. */
  send(call: Call): Promise<ServerAnswer> {
    return this.#connection.send(call);
  }

  /** Sends a request that is not sealed, and returns the JSON of its answer; throws SealedError. */
  json(call: Call): Promise<Record<string, unknown>> {
    return this.#connection.json(call);
  }

  /** Reserves a machine and holds the money. The reservation expires after ten seconds. */
  async open(wish: SealedWish, authorization: string, signal?: AbortSignal): Promise<Place> {
    const body = { type: JSON_TYPE, bytes: utf8(JSON.stringify(this.#fieldsOf(wish))) };
    const answer = await this.#connection.json({
      method: 'POST',
      path: '/v1/sealed/sessions',
      headers: headersOf(wish, authorization),
      body,
      signal,
    });
    if (!sessionShape.Check(answer))
      throw new SealedError(
        'unreadable_answer',
        'The answer to the new session has an unknown format.',
      );
    const { id, max_tokens: maxTokens, offer } = answer;
    return { job: id, maxTokens, offer, isHeld: true };
  }

  /**
   * Returns a machine that answered lately, if the coordinator has assigned a job id in advance.
   * Otherwise it reserves a machine.
   */
  async place(wish: SealedWish, authorization: string, signal?: AbortSignal): Promise<Place> {
    const offer = this.#machines.any(wish.model, Date.now());
    const maxTokens = wish.maxTokens ?? this.#machines.outputLimit(wish.model);
    if (offer === undefined || maxTokens === undefined)
      return this.open(wish, authorization, signal);
    const job = this.#jobIds.get(authorization)?.pop();
    return job === undefined
      ? this.open(wish, authorization, signal)
      : { job, maxTokens, offer, isHeld: false };
  }

  /**
   * Seals the request for the machine of its place, or for another one that the coordinator offers
   * instead, and opens the answer.
   */
  async *run(
    asked: Sealed,
    authorization: string,
    signal?: AbortSignal,
  ): AsyncGenerator<SealedEvent, InferenceEnd> {
    const { wish, request } = asked;
    let { place } = asked;
    if (encoded(request).length > wish.requestBytes)
      throw new SealedError(
        'request_too_long',
        `The request is longer than the ${wish.requestBytes} bytes that were announced.`,
      );
    for (let offers = 0; offers < MAX_OFFERS; offers += 1) {
      try {
        await this.#check.check(place.offer, wish.model);
      } catch (error) {
        if (place.isHeld) await this.#cancel(place.job, headersOf(wish, authorization));
        throw error;
      }
      const { job, offer } = place;
      using seals = await this.#sealsFor(job, offer);
      const plain = encoded({ ...request, build: offer.build });
      const sealed = [seals.enc, ...seals.sealRequestParts(plain)];
      const body = {
        type: SEALED_TYPE,
        bytes: joined(
          place.isHeld ? sealed : [withLengthPrefix(this.#fieldsFor(place, wish)), ...sealed],
        ),
      };
      const path = place.isHeld
        ? `/v1/sealed/jobs/${job}?attempt=${offer.attempt}`
        : '/v1/sealed/jobs';
      const response = await this.#connection.send({
        method: 'POST',
        path,
        headers: headersOf(wish, authorization),
        body,
        signal,
      });
      this.#keepJobId(authorization, response.headers[NEXT_JOB]);
      if (response.statusCode === 200) {
        this.#machines.answered(wish.model, offer, Date.now());
        if (wish.maxTokens === undefined)
          this.#machines.setOutputLimit(wish.model, place.maxTokens);
        yield { k: 'serving', ...place, receiptSalt: seals.receiptSalt() };
        return yield* new SealedStream({
          seals,
          requestHash: sha256(plain),
        }).read(response);
      }
      const answer = await readJson(response);
      this.#machines.failed(wish.model, offer);
      if (response.statusCode === 409 && nextOfferShape.Check(answer))
        place = { ...place, isHeld: true, offer: answer.offer };
      // The job id belongs to another ingress, or has expired.
      else if (response.statusCode === 410 && !place.isHeld)
        place = await this.open(wish, authorization, signal);
      else throw errorOf(response, answer);
    }
    throw new SealedError('untrusted_offer', 'None of the offered machines accepted the request.');
  }

  /**
   * Releases the reservation and the hold of a rejected offer. The coordinator also releases them
   * when the session expires, so a failed call is ignored.
   */
  async #cancel(job: string, headers: Record<string, string>): Promise<void> {
    const call = {
      method: 'DELETE',
      path: `/v1/sealed/sessions/${job}`,
      headers,
      signal: AbortSignal.timeout(CANCEL_MS),
    } as const;
    await this.#connection.json(call).catch(() => undefined);
  }

  /**
   * Never seals twice for one job, attempt and machine key. The coordinator chooses the job id, and
   * with the same sender context these three determine the key, while nonces count from 0. A
   * hostile coordinator that assigned one id twice would get two requests under the same key and
   * nonces, and their ciphertexts would reveal the XOR of the two requests.
   *
   * When the list of sealed names is full, it is dropped together with the sender contexts: new
   * contexts give new keys.
   */
  async #sealsFor(job: string, { sealing_key: key, attempt }: Offer): Promise<JobSeals> {
    const name = `${job} ${attempt} ${key}`;
    if (this.#sealed.has(name))
      throw new SealedError(
        'untrusted_offer',
        'The coordinator assigned the id of a job that was sealed before.',
      );
    if (this.#sealed.size >= MAX_SEALED) {
      this.#senders = new RelaySenders();
      this.#sealed.clear();
    }
    this.#sealed.add(name);
    return this.#senders.sealFor({ recipient: fromHex(key), job, attempt });
  }

  /**
   * The fields that the coordinator needs. They include the trust level that the client requires;
   * the client checks it again, because the coordinator is not trusted.
   */
  #fieldsOf({
    model,
    maxTokens,
    requires,
    provider,
    affinity,
    promptTokens,
    requestBytes,
  }: SealedWish): Record<string, unknown> {
    return {
      model,
      request_bytes: requestBytes + BUILD_FIELD_BYTES,
      provider: { trust_level: this.#minimumLevel, ...(provider ?? {}) },
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
      ...(requires && requires.length > 0 && { requires }),
      ...(promptTokens !== undefined && { prompt_tokens: promptTokens }),
      ...(affinity !== undefined && { affinity }),
    };
  }

  #fieldsFor({ job, offer, maxTokens }: Place, wish: SealedWish): Record<string, unknown> {
    return {
      ...this.#fieldsOf({ ...wish, maxTokens }),
      id: job,
      sealed_for: { provider: offer.provider, sealing_key: offer.sealing_key },
    };
  }

  #keepJobId(authorization: string, name: string | string[] | undefined): void {
    if (typeof name !== 'string') return;
    const names = this.#jobIds.get(authorization) ?? [];
    if (names.length < MAX_JOB_IDS) names.push(name);
    this.#jobIds.set(authorization, names);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

const encoded = (request: SealableRequest): Uint8Array =>
  'task' in request ? EncodingRequest.encode(request) : InferenceRequest.encode(request);

const headersOf = ({ route }: SealedWish, authorization: string) => ({
  ...(authorization !== '' && { authorization }),
  ...(route !== undefined && { 'x-dinf-route': route }),
});

function withLengthPrefix(json: Record<string, unknown>): Uint8Array {
  const bytes = utf8(JSON.stringify(json));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return joined([length, bytes]);
}
