import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { eventDataReader } from '#world/event-data.ts';
import { chatOf } from '#world/expected-answer.ts';

/**
 * How a request ended for its client. `broken`: the connection ended early or was never made;
 * `hung`: the client gave up at its deadline.
 */
type Outcome = 'complete' | 'refused' | 'error' | 'broken' | 'left' | 'hung';

export interface Asked {
  /** The name of the ingress, and its address. */
  readonly ingress: string;
  readonly url: string;
  readonly apiKey: string;
  readonly maxTokens: number;
  readonly isStreamed: boolean;
  /** The client closes the connection once it has so many characters; never if undefined. */
  readonly leavesAfter?: number | undefined;
}

/** What a client knows of one request: its own record, which the network cannot change. */
export interface BookEntry extends Omit<Asked, 'url' | 'apiKey'> {
  readonly number: number;
  readonly prompt: string;
  /** Times of the monotonic clock in milliseconds, as all times here. */
  readonly askedAt: number;
  endedAt?: number;
  job?: string;
  text: string;
  outcome?: Outcome;
  detail?: string;
}

/** Whether the client got what it wanted: the whole answer, or as much as it waited for. */
export const isServed = ({ outcome }: Pick<BookEntry, 'outcome'>): boolean =>
  outcome === 'complete' || outcome === 'left';

const MODEL = 'sim-llama-8b';
const OK = 200;

/** Clients who record each token that they receive. */
export class ClientBook {
  readonly entries: BookEntry[] = [];
  #asked = 0;
  readonly #name: string;
  readonly #deadlineMs: number;

  /** `name` makes the prompts different from those of other runs. */
  constructor(name: string, deadlineMs: number) {
    this.#name = name;
    this.#deadlineMs = deadlineMs;
  }

  /** Removes the requests that have ended, and returns them. */
  takeEnded(): BookEntry[] {
    const ended = this.entries.filter(({ outcome }) => outcome !== undefined);
    const open = this.entries.filter(({ outcome }) => outcome === undefined);
    this.entries.splice(0, this.entries.length, ...open);
    return ended;
  }

  /** Sends a request. Resolves when it has ended in one way or another. */
  ask(asked: Asked): Promise<BookEntry> {
    const { ingress, maxTokens, isStreamed, leavesAfter } = asked;
    this.#asked += 1;
    const number = this.#asked;
    const entry: BookEntry = {
      number,
      ingress,
      maxTokens,
      isStreamed,
      leavesAfter,
      prompt: `Question ${number} of ${this.#name}`,
      askedAt: performance.now(),
      text: '',
    };
    this.entries.push(entry);
    return new Promise((resolve) => {
      let sent: ClientRequest | undefined;
      const end = (outcome: Outcome, detail = ''): void => {
        if (entry.outcome !== undefined) return;
        clearTimeout(timer);
        Object.assign(entry, { outcome, detail, endedAt: performance.now() });
        sent?.destroy();
        resolve(entry);
      };
      const timer = setTimeout(() => end('hung', 'the deadline is over'), this.#deadlineMs);
      sent = send(asked, JSON.stringify({ ...chatOf(entry), model: MODEL, stream: isStreamed }));
      sent.on('error', ({ message }) => end('broken', message));
      sent.on('response', (response) => {
        response.on('error', ({ message }) => end('broken', message));
        entry.job = String(response.headers['x-inference-job-id'] ?? '');
        if (response.statusCode === OK && isStreamed) readStream(entry, response, end);
        else readWhole(entry, response, end);
      });
    });
  }
}

type End = (outcome: Outcome, detail?: string) => void;

function send({ url, apiKey }: Asked, body: string): ClientRequest {
  const sent = request(`${url}/v1/chat/completions`, {
    // A connection of an earlier request may be broken without its client having noticed.
    agent: false,
    method: 'POST',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  });
  sent.end(body);
  return sent;
}

function readWhole(entry: BookEntry, response: IncomingMessage, end: End): void {
  let body = '';
  response.setEncoding('utf8');
  response.on('data', (part: string) => {
    body += part;
  });
  response.on('end', () => {
    if (response.statusCode !== OK) return end('refused', `${response.statusCode} ${body}`);
    const { choices } = JSON.parse(body) as { choices: { message: { content: string } }[] };
    entry.text = choices[0]?.message.content ?? '';
    end('complete');
  });
}

/** Reads events until the end. All events that have arrived count, also when the client leaves. */
function readStream(entry: BookEntry, response: IncomingMessage, end: End): void {
  const dataIn = eventDataReader();
  let doneTimes = 0;
  let error: string | undefined;
  response.setEncoding('utf8');
  response.on('data', (part: string) => {
    for (const data of dataIn(part)) {
      if (data === '[DONE]') {
        doneTimes += 1;
        continue;
      }
      const event = JSON.parse(data) as {
        error?: { code: string };
        choices?: { delta?: { content?: string } }[];
      };
      error ??= event.error?.code;
      entry.text += event.choices?.[0]?.delta?.content ?? '';
    }
    if (entry.leavesAfter !== undefined && entry.text.length >= entry.leavesAfter) end('left');
  });
  response.on('end', () => {
    if (error !== undefined) end('error', error);
    else if (doneTimes === 1) end('complete');
    else end('broken', `the stream ended with ${doneTimes} × [DONE]`);
  });
}
