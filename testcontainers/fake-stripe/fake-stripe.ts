import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Bank, get, type StripeEvent } from './bank.ts';
import { type Form, parseForm } from './form-body.ts';
import { StripeFault } from './stripe-error.ts';

/**
 * Failures of a request. `lost_request` closes the connection before the request is executed,
 * `lost_answer` after it. `error_500` is stored under the idempotency key, as at Stripe, so that a
 * retry with the same key gets the same error.
 */
export type FaultKind = 'lost_request' | 'lost_answer' | 'error_500' | 'error_429' | 'rejected';

interface Fault {
  readonly method: string;
  readonly path: RegExp;
  readonly kind: FaultKind;
  times: number;
}

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly replayed?: true;
}

interface StripeRequest {
  readonly form: Form;
  readonly search: URLSearchParams;
  /** The connected account that the request acts for; empty for the platform's own account. */
  readonly account: string;
}

/**
 * A server with the part of Stripe's API that the coordinator uses through Stripe's own client. A
 * test can make chosen requests fail.
 */
export class FakeStripe implements AsyncDisposable {
  readonly apiKey = 'sk_test_fake';
  readonly webhookSecret = 'whsec_fake';
  readonly bank = new Bank();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #answers = new Map<
    string,
    { readonly asked: string; readonly answer: Answer | undefined }
  >();
  #faults: Fault[] = [];

  static async start(): Promise<FakeStripe> {
    const fake = new FakeStripe();
    await new Promise<void>((listening) => fake.#server.listen(0, '127.0.0.1', listening));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Makes the next `times` requests with this method and path fail. */
  fault(method: string, path: RegExp, kind: FaultKind, times = 1): void {
    this.#faults.push({ method, path, kind, times });
  }

  clearFaults(): void {
    this.#faults = [];
  }

  /** Returns the body and signature header with which Stripe would send the event to a webhook. */
  sign(
    event: StripeEvent,
    { secret = this.webhookSecret, at = Math.floor(Date.now() / 1_000) } = {},
  ): { body: Uint8Array; signature: string } {
    const body = JSON.stringify(event);
    const mac = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
    return { body: Buffer.from(body), signature: `t=${at},v1=${mac}` };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const url = new URL(request.url ?? '/', 'http://stripe');
    const method = request.method ?? 'GET';
    const fault = this.#faults.find(
      (each) => each.times > 0 && each.method === method && each.path.test(url.pathname),
    );
    if (fault) fault.times -= 1;
    if (fault?.kind === 'lost_request') return void request.socket.destroy();
    const account = String(request.headers['stripe-account'] ?? '');
    const key = method === 'POST' ? request.headers['idempotency-key'] : undefined;
    const work = async (): Promise<Answer> => {
      // Concurrent requests are executed in random order, as over a real network.
      for (let turns = Math.floor(Math.random() * 4); turns > 0; turns -= 1) await nextTurn();
      return this.#answer(
        `${method} ${url.pathname}`,
        { form: parseForm(body), search: url.searchParams, account },
        request.headers.authorization,
        fault?.kind,
      );
    };
    const answer =
      typeof key === 'string'
        ? await this.#once(key, `${method} ${url.pathname} ${account} ${body}`, work)
        : await work();
    if (fault?.kind === 'lost_answer') return void request.socket.destroy();
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'request-id': 'req_fake',
      ...(answer.replayed && { 'idempotent-replayed': 'true' }),
    });
    response.end(JSON.stringify(answer.body));
  }

  /**
   * Executes a request once for each idempotency key. A repetition gets the stored answer, or a
   * conflict while the first request is still running. Other parameters under the same key are an
   * error.
   */
  async #once(key: string, asked: string, work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#answers.get(key);
    if (before !== undefined && before.asked !== asked)
      return refusal(
        400,
        'idempotency_error',
        'Keys for idempotent requests can only be used with the same parameters',
      );
    if (before !== undefined)
      return before.answer === undefined
        ? refusal(409, 'invalid_request_error', 'Another request with this key is in progress')
        : { ...before.answer, replayed: true };
    this.#answers.set(key, { asked, answer: undefined });
    const answer = await work();
    // Stripe does not store these answers, because the request was rejected before it was executed.
    if (answer.status === 429 || answer.status === 401) this.#answers.delete(key);
    else this.#answers.set(key, { asked, answer });
    return answer;
  }

  #answer(
    what: string,
    request: StripeRequest,
    authorization: string | undefined,
    fault: FaultKind | undefined,
  ): Answer {
    try {
      if (authorization !== `Bearer ${this.apiKey}`)
        throw new StripeFault(401, 'invalid_request_error', 'Invalid API Key provided');
      if (fault === 'error_500')
        throw new StripeFault(500, 'api_error', 'An unknown error occurred');
      if (fault === 'error_429')
        throw new StripeFault(429, 'invalid_request_error', 'Too many requests', 'rate_limit');
      if (fault === 'rejected')
        throw new StripeFault(
          400,
          'invalid_request_error',
          'No such destination',
          'account_invalid',
        );
      return { status: 200, body: this.#do(what, request) };
    } catch (error) {
      if (error instanceof StripeFault) return { status: error.status, body: error.body };
      throw error;
    }
  }

  #do(what: string, { form, search, account }: StripeRequest): object {
    const { bank } = this;
    const [, id = ''] = ID.exec(what) ?? [];
    switch (what.replace(ID, '/:id')) {
      case 'POST /v1/checkout/sessions':
        return bank.createSession(form);
      case 'GET /v1/checkout/sessions':
        return page(
          [...bank.sessions.values()]
            .filter((each) => each.payment_intent === search.get('payment_intent'))
            .toReversed(),
          search,
          '/v1/checkout/sessions',
        );
      case 'GET /v1/checkout/sessions/:id':
        return search.has('expand[0]', 'payment_intent.latest_charge')
          ? bank.sessionWithCharge(id)
          : get(bank.sessions, id, 'checkout.session');
      case 'POST /v1/accounts':
        return bank.createAccount(form);
      case 'GET /v1/accounts/:id':
        return get(bank.accounts, id, 'account');
      case 'DELETE /v1/accounts/:id':
        return bank.deleteAccount(id);
      case 'POST /v1/accounts/:id/login_links':
        return bank.createLoginLink(id);
      case 'POST /v1/account_links':
        return bank.createLink(form);
      case 'POST /v1/transfers':
        return bank.createTransfer(form);
      case 'GET /v1/transfers':
        return page(
          [...bank.transfers.values()]
            .filter((each) => each.transfer_group === search.get('transfer_group'))
            .toReversed(),
          search,
          '/v1/transfers',
        );
      case 'POST /v1/payouts':
        return bank.createPayout(form, account);
      case 'GET /v1/payouts/:id':
        return get(bank.payouts, id, 'payout');
      case 'GET /v1/balance_transactions':
        return page(bank.report, search, '/v1/balance_transactions');
      default:
        throw new StripeFault(404, 'invalid_request_error', `Unrecognized request URL (${what})`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}

/** The id of an object in a path. */
const ID = /\/((?:cs_test|po|acct)_[a-z0-9]+)/;

function refusal(status: number, type: string, message: string): Answer {
  return { status, body: new StripeFault(status, type, message).body };
}

/** Returns one page of a list, which must be sorted newest first. */
function page(
  all: readonly { readonly id: string }[],
  search: URLSearchParams,
  url: string,
): object {
  const limit = Number(search.get('limit') ?? 10);
  const after = search.get('starting_after');
  const from = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1;
  return {
    object: 'list',
    url,
    data: all.slice(from, from + limit),
    has_more: from + limit < all.length,
  };
}
