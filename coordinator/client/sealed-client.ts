import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { type InferenceEnd, type InferenceEvent, InferenceRequest, JobId, RelaySenders, type Trait, type TrustLevel } from '#bus-schemas';
import { type Call, Connection, errorOf, readJson } from './connection.ts';
import { LogView, type PrintedHead } from './log-view.ts';
import { Offer, OfferCheck } from './offer-check.ts';
import { SealedError } from './sealed-error.ts';
import { SealedStream } from './sealed-stream.ts';

export interface SealedClientOptions {
  /** Of the coordinator. */
  readonly url: string;
  readonly minimumLevel: TrustLevel;
  /** The log's key, in hexadecimal; the first that is seen where none is given. */
  readonly logKey?: string | undefined;
  readonly keptHead?: PrintedHead | undefined;
  readonly onHead?: (head: PrintedHead) => void;
}

/** What the coordinator has to know of a request that it cannot read. */
export interface SealedWish {
  readonly model: string;
  readonly maxTokens?: number | undefined;
  readonly requires?: readonly Trait[];
  readonly provider?: unknown;
  readonly affinity?: string;
  /** The longest that the request may become, in bytes. */
  readonly requestBytes: number;
}

export interface SealedJob {
  readonly id: string;
  readonly model: string;
  readonly maxTokens: number;
  readonly offer: Offer;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a job says: whom it was sealed for, what that machine wrote, and how it ended. */
export type SealedEvent = { readonly k: 'serving'; readonly offer: Offer; readonly headers: IncomingMessage['headers'] } | InferenceEvent;

const sessionShape = Compile(Type.Object({ id: JobId, model: Type.String(), max_tokens: Type.Integer({ minimum: 1 }), offer: Offer }));
const againShape = Compile(Type.Object({ offer: Offer }));
type Session = Static<ReturnType<typeof sessionShape.Type>>;

const JSON_TYPE = 'application/json';
const SEALED_TYPE = 'application/octet-stream';
const MAX_OFFERS = 4;

/** Asks so that only the machine which answers can read it: what the coordinator offers is checked, sealed for, and checked again as it comes. */
export class SealedClient implements Disposable {
  readonly log: LogView;
  readonly #connection: Connection;
  readonly #check: OfferCheck;
  readonly #senders = new RelaySenders();

  constructor({ url, minimumLevel, logKey, keptHead, onHead }: SealedClientOptions) {
    this.#connection = new Connection(url);
    const get = (path: string) => this.#connection.json({ method: 'GET', path });
    this.log = new LogView({ get, key: logKey, kept: keptHead, ...(onHead && { onHead }) });
    this.#check = new OfferCheck({ log: this.log, get, minimumLevel, now: Date.now });
  }

  /** Anything else that the coordinator has to say. */
  send(call: Call): Promise<IncomingMessage> {
    return this.#connection.send(call);
  }

  /** Reserves a machine and the money. */
  async open(wish: SealedWish, authorization: string, signal?: AbortSignal): Promise<SealedJob> {
    const { model, maxTokens, requires, provider, affinity, requestBytes } = wish;
    const asked = {
      ...{ model, request_bytes: requestBytes },
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
      ...(requires && requires.length > 0 && { requires }),
      ...(provider !== undefined && provider !== null && { provider }),
      ...(affinity !== undefined && { affinity }),
    };
    const body = { type: JSON_TYPE, bytes: Buffer.from(JSON.stringify(asked)) };
    const answer = await this.#connection.json({ method: 'POST', path: '/v1/sealed/sessions', headers: { authorization }, body, signal });
    if (!sessionShape.Check(answer)) throw new SealedError('unreadable_answer', 'The session cannot be read.');
    const session = answer as Session;
    return { id: session.id, model: session.model, maxTokens: session.max_tokens, offer: session.offer, headers: {} };
  }

  /** Seals the request for whoever is offered, and opens the answer. */
  async *run(job: SealedJob, request: InferenceRequest, authorization: string, signal?: AbortSignal): AsyncGenerator<SealedEvent, InferenceEnd> {
    const plain = InferenceRequest.encode(request);
    const requestHash = createHash('sha256').update(plain).digest();
    let offer = job.offer;
    for (let offers = 0; offers < MAX_OFFERS; offers += 1) {
      await this.#check.check(offer);
      const recipient = Buffer.from(offer.sealing_key, 'hex');
      using seals = await this.#senders.sealFor({ recipient, job: job.id, attempt: offer.attempt });
      const body = { type: SEALED_TYPE, bytes: Buffer.concat([seals.enc, ...seals.sealRequestParts(plain)]) };
      const path = `/v1/sealed/jobs/${job.id}?attempt=${offer.attempt}`;
      const response = await this.#connection.send({ method: 'POST', path, headers: { authorization }, body, signal });
      if (response.statusCode === 200) {
        yield { k: 'serving', offer, headers: response.headers };
        return yield* new SealedStream({ seals, requestHash }).read(response);
      }
      const answer = await readJson(response);
      if (response.statusCode !== 409 || !againShape.Check(answer)) throw errorOf(response, answer);
      offer = answer.offer;
    }
    throw new SealedError('untrusted_offer', 'None of the machines that were offered could serve.');
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}
