import { type IncomingMessage, request } from 'node:http';
import { eventDataReader } from './event-data.ts';
import { chatOf, receivedTokens } from './expected-answer.ts';
import { type Host, runOn } from './virtual/host.ts';
import type { World } from './world.ts';

/** How a request ended for its customer. */
type Outcome = 'complete' | 'refused' | 'unpaid' | 'unknown_key' | 'error' | 'broken' | 'left';

/** What the customers know of one request: their own book, which the network cannot change. */
export interface BookEntry {
  readonly number: number;
  readonly customer: string;
  readonly ingress: string;
  readonly prompt: string;
  readonly maxTokens: number;
  /** The customer closes the connection after so many events of the answer; never if undefined. */
  readonly leavesAfter: number | undefined;
  readonly askedAt: number;
  job?: string;
  text: string;
  outcome?: Outcome;
  detail?: string;
  endedAt?: number;
  /** When the last content arrived. */
  contentAt?: number;
  /** Longest time after content until more of it or the end arrived, in milliseconds. */
  longestSilenceMs: number;
}

/** A customer with money for a few answers. */
export const POOR_CUSTOMER = 'the poor customer';
/** A customer whose key may be removed. */
export const FORMER_CUSTOMER = 'the former customer';

export interface Target {
  readonly customer: string;
  readonly ingress: string;
  readonly port: number;
  readonly apiKey: string;
  readonly model: string;
}

const ADDRESS = '10.0.9.1';
const OK = 200;
const REFUSALS: Readonly<Record<number, Outcome>> = { 401: 'unknown_key', 402: 'unpaid' };

/** Customers who stream answers and write down what they receive. */
export class Customers {
  readonly book: BookEntry[] = [];
  readonly #world: World;
  readonly #host: Host;

  constructor(world: World) {
    this.#world = world;
    this.#host = world.host('customers', ADDRESS);
  }

  get waiting(): number {
    return this.book.filter(({ outcome }) => outcome === undefined).length;
  }

  ask(
    { customer, ingress, port, apiKey, model }: Target,
    { maxTokens, leavesAfter }: Pick<BookEntry, 'maxTokens' | 'leavesAfter'>,
  ): BookEntry {
    const number = this.book.length + 1;
    const entry: BookEntry = {
      number,
      customer,
      ingress,
      prompt: `Question ${number} of the world ${this.#world.seed}`,
      maxTokens,
      leavesAfter,
      askedAt: this.#world.time.now,
      text: '',
      longestSilenceMs: 0,
    };
    this.book.push(entry);
    const body = JSON.stringify({ ...chatOf(entry), model, stream: true });
    runOn(this.#host, () => {
      const asked = request({
        host: ingress,
        port,
        agent: false,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: {
          authorization: `Bearer ${apiKey}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      });
      asked.on('response', (response) => this.#read(entry, response));
      asked.on('error', (error) => this.#end(entry, 'broken', error.message));
      asked.end(body);
    });
    return entry;
  }

  #read(entry: BookEntry, response: IncomingMessage): void {
    response.setEncoding('utf8');
    if (response.statusCode !== OK) {
      let text = '';
      response.on('data', (part: string) => {
        text += part;
      });
      const { statusCode = 0 } = response;
      const refusal = REFUSALS[statusCode] ?? 'refused';
      response.on('end', () => this.#end(entry, refusal, `${statusCode} ${text}`));
      response.on('error', (error) => this.#end(entry, 'broken', error.message));
      return;
    }
    const dataIn = eventDataReader();
    let events = 0;
    response.on('data', (part: string) => {
      for (const data of dataIn(part)) {
        this.#event(entry, data);
        events += 1;
        if (events !== entry.leavesAfter) continue;
        this.#end(entry, 'left');
        response.destroy();
        return;
      }
    });
    response.on('end', () => this.#end(entry, 'broken', 'the stream ended without [DONE]'));
    response.on('error', (error) => this.#end(entry, 'broken', error.message));
  }

  #event(entry: BookEntry, data: string): void {
    if (data === '[DONE]') return this.#end(entry, 'complete');
    const { id, error, choices } = JSON.parse(data) as {
      id?: string;
      error?: { code: string };
      choices?: { delta?: { content?: string } }[];
    };
    if (id !== undefined) entry.job = id.replace('chatcmpl-', '');
    if (error !== undefined) return this.#end(entry, 'error', error.code);
    this.#noteSilence(entry);
    entry.contentAt = this.#world.time.now;
    entry.text += choices?.[0]?.delta?.content ?? '';
  }

  #noteSilence(entry: BookEntry): void {
    const { now } = this.#world.time;
    entry.longestSilenceMs = Math.max(entry.longestSilenceMs, now - (entry.contentAt ?? now));
  }

  #end(entry: BookEntry, outcome: Outcome, detail?: string): void {
    if (entry.outcome !== undefined) return;
    entry.outcome = outcome;
    this.#noteSilence(entry);
    entry.endedAt = this.#world.time.now;
    if (detail !== undefined) entry.detail = detail;
    this.#world.tell(
      `request ${entry.number}`,
      `${outcome}, ${receivedTokens(entry)} of ${entry.maxTokens} tokens${detail ? `: ${detail.slice(0, 200)}` : ''}`,
    );
  }
}

/** Whether the request was served, or ended as its customer must expect. */
export const endedWell = ({ outcome, customer }: BookEntry): boolean =>
  outcome === 'complete' ||
  outcome === 'left' ||
  (outcome === 'unpaid' && customer === POOR_CUSTOMER) ||
  (outcome === 'unknown_key' && customer === FORMER_CUSTOMER);
