import { setTimeout as delay } from 'node:timers/promises';
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import {
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from '@nats-io/nats-core';
import { Svcm } from '@nats-io/services';
import {
  CodecError,
  type ComponentName,
  type EventSubject,
  type MessageKind,
  type ServiceMethod,
} from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import { headerOf, TRACE_HEADER, type TraceContext } from '#observability/otel/trace-context.ts';
import packageJson from '../package.json' with { type: 'json' };
import { CopiedCalls } from './copied-calls.ts';
import { EventPublisher, type FailingStream } from './event-publisher.ts';
import { RequestError } from './open-calls.ts';
import { type CallAnswer, OwnEndpoints } from './own-endpoints.ts';
import { isLeaving, RequestMux } from './request-mux.ts';
import { SERVICE_METADATA } from './running-versions.ts';

export type BusErrorCode = 'unavailable' | 'timeout' | 'failed' | 'closed';

/**
 * A call to a component that got no reply. After `unavailable` and `timeout` it may be repeated,
 * because every method is idempotent.
 */
export class BusError extends CodedError<BusErrorCode> {}

/**
 * Thrown by a handler that may no longer answer. The caller sends its request again and reaches the
 * process that may answer it.
 */
export class NotResponsible extends Error {}

const NOT_RESPONSIBLE = 503;
const NO_DATA = new Uint8Array();
/** Every subscriber receives every call. */
const NO_QUEUE = '';
/** Time that a component that stops waits for its last answers, in milliseconds. */
const LAST_ANSWERS_MS = 5_000;

/** Descriptions of the components in `nats micro ls`. */
const DESCRIPTIONS: Readonly<Record<ComponentName, string>> = {
  ingress: 'the HTTP API',
  routing: 'decides which machine gets a job',
  settlement: 'holds, charges, prices, receipts and payments',
  accounts: 'people, API keys, operators, limits and links of machines',
  catalog: 'models, aliases and their prices',
  trust: 'enrolment and attestation of machines, releases, the transparency log',
  telemetry: 'records and counts of jobs',
};

/** Receives failures that no caller can see. */
export interface BusReport {
  /** Called when a handler threw. The caller of the method gets only the message of the error. */
  handlerFailed(method: string, error: unknown): void;
  callFailed(method: string, code: BusErrorCode): void;
}

const UNREPORTED: BusReport = { handlerFailed: () => undefined, callFailed: () => undefined };

export interface CallOptions {
  readonly timeoutMs: number;
  /** The trace that the called component continues. */
  readonly trace?: TraceContext | undefined;
}

export interface ServingOptions {
  /**
   * False if one copy at a time serves. The copy before it may be frozen or cut off while the hub
   * still counts it: every copy then receives every call, and the one that can answers.
   */
  readonly sharesCalls?: boolean;
}

export interface BusOptions {
  readonly report?: BusReport;
  readonly otel?: OpenTelemetry | undefined;
  /**
   * Components of this process call each other without the hub. Off by default, so that the tests
   * of one component use the bus.
   */
  readonly callsDirectly?: boolean;
}

/** Headers of a message that belongs to a trace. */
export function traceHeaders(trace: TraceContext): MsgHdrs {
  const made = headers();
  made.set(TRACE_HEADER, headerOf(trace));
  return made;
}

export type Handler<Request, Reply> = (request: Request) => Promise<Reply> | Reply;
export interface Endpoint {
  readonly method: ServiceMethod<unknown, unknown>;
  readonly handle: Handler<unknown, unknown>;
}

/** Pairs a method with its handler and keeps their types together. */
export function endpoint<Request, Reply>(
  method: ServiceMethod<Request, Reply>,
  handle: Handler<Request, Reply>,
): Endpoint {
  return {
    method: method as ServiceMethod<unknown, unknown>,
    handle: handle as Handler<unknown, unknown>,
  };
}

export interface SubscribeOptions<T> {
  readonly subject: string;
  readonly kind: MessageKind<T>;
  readonly handle: (value: T, subject: string) => void;
  /** Returns false for a message that must not be decoded. `bytes` is its size. */
  readonly wants?: (subject: string, bytes: number) => boolean;
  /** Name of a queue: copies of a component share the messages of one queue. */
  readonly queue?: string;
  /** Called for messages that cannot be decoded. They are dropped. */
  readonly onInvalid?: (error: CodecError, subject: string) => void;
}

/** The bus for components: typed calls, facts and subscriptions. */
export class Bus {
  readonly connection: NatsConnection;
  readonly #jetstream: JetStreamClient;
  readonly #requests: RequestMux;
  readonly #own: OwnEndpoints | undefined;
  readonly #events: EventPublisher;
  readonly #report: BusReport;
  readonly #otel: OpenTelemetry | undefined;

  constructor(
    connection: NatsConnection,
    { report = UNREPORTED, otel, callsDirectly = false }: BusOptions = {},
  ) {
    this.connection = connection;
    this.#report = report;
    this.#otel = otel;
    this.#own = callsDirectly ? new OwnEndpoints(connection) : undefined;
    this.#jetstream = jetstream(connection, { timeout: 5_000 });
    this.#requests = new RequestMux(connection);
    this.#events = new EventPublisher(this.#requests);
  }

  get jetstream(): JetStreamClient {
    return this.#jetstream;
  }

  manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.connection, { timeout: 5_000 });
  }

  async call<Request, Reply>(
    method: ServiceMethod<Request, Reply>,
    request: Request,
    options: CallOptions,
  ): Promise<Reply> {
    try {
      return await this.#call(method, request, options);
    } catch (error) {
      if (error instanceof BusError) this.#report.callFailed(method.subject, error.code);
      throw error;
    }
  }

  async #call<Request, Reply>(
    method: ServiceMethod<Request, Reply>,
    request: Request,
    { timeoutMs, trace }: CallOptions,
  ): Promise<Reply> {
    const { subject } = method;
    const payload = method.request.encode(request);
    let answer: CallAnswer;
    try {
      const own = this.#own?.call(subject, payload, {
        timeoutMs,
        traceHeader: trace && headerOf(trace),
      });
      answer = await (own ?? this.#callOverHub(subject, payload, { timeoutMs, trace }));
    } catch (cause) {
      if (cause instanceof RequestError)
        throw new BusError(
          cause.code === 'no_responders' ? 'unavailable' : cause.code,
          cause.message,
          { cause },
        );
      throw cause;
    }
    if (answer.failure?.code === NOT_RESPONSIBLE)
      throw new BusError('unavailable', `${subject}: another process answers now; repeat the call`);
    if (answer.failure) throw new BusError('failed', `${subject}: ${answer.failure.description}`);
    return method.reply.decode(answer.data);
  }

  async #callOverHub(
    subject: string,
    payload: Uint8Array,
    { timeoutMs, trace }: CallOptions,
  ): Promise<CallAnswer> {
    const headers = trace && { headers: traceHeaders(trace) };
    return answerIn(
      await this.#requests.requestOfCopies(subject, payload, { timeoutMs, ...headers }),
    );
  }

  /**
   * Rejects all open calls of this method with `unavailable`, so that they are repeated: the
   * process that received them may no longer answer.
   */
  rejectOpenCalls({ subject }: { readonly subject: string }): void {
    this.#requests.rejectOpen(subject);
    this.#own?.rejectOpen(subject);
  }

  /**
   * Serves methods of one component. Several copies of a component share the calls, unless only one
   * at a time serves (`ServingOptions`). `nats micro ls` lists them. Its end takes no more calls, and
   * waits until the received ones are answered: their callers would otherwise wait for their timeout
   * before they call another copy.
   */
  async serve(
    component: ComponentName,
    endpoints: readonly Endpoint[],
    { sharesCalls = true }: ServingOptions = {},
  ): Promise<AsyncDisposable> {
    const service = await new Svcm(this.connection).add({
      name: component,
      version: packageJson.version,
      description: DESCRIPTIONS[component],
      queue: sharesCalls ? component : NO_QUEUE,
      metadata: SERVICE_METADATA,
    });
    const answering = new Set<Promise<CallAnswer>>();
    const copied = new CopiedCalls(this.connection);
    using servedHere = new DisposableStack();
    for (const asked of endpoints) {
      const { method, subject } = asked.method;
      const answer = (request: Uint8Array, traceHeader: string | undefined) => {
        const answered = this.#answer(asked, request, traceHeader).finally(() =>
          answering.delete(answered),
        );
        answering.add(answered);
        return answered;
      };
      const answerMessage = ({ data, headers }: Pick<Msg, 'data' | 'headers'>) =>
        answer(data, headers?.get(TRACE_HEADER));
      service.addEndpoint(method, {
        subject,
        handler: async (error, message) => {
          if (error) return this.#report.handlerFailed(subject, error);
          const { data, failure } = await copied.first(message, answerMessage);
          // This copy is stopping, and the caller will repeat its call to another copy.
          if (isLeaving(this.connection)) return;
          if (failure === undefined) message.respond(data);
          else message.respondError(failure.code, failure.description);
        },
      });
      if (sharesCalls) copied.serve(subject, answerMessage);
      if (this.#own) servedHere.use(this.#own.serve(subject, answer));
    }
    if (sharesCalls) servedHere.use(copied.receive(component));
    // The hub knows the endpoints when this returns. If the link is lost meanwhile, the client
    // registers them again by itself.
    await this.connection.flush().catch(() => undefined);
    const owned = servedHere.move();
    return {
      [Symbol.asyncDispose]: async () => {
        owned.dispose();
        await service.stop();
        await Promise.race([
          Promise.all(answering),
          delay(LAST_ANSWERS_MS, undefined, { ref: false }),
        ]);
      },
    };
  }

  async #answer(
    { method, handle }: Endpoint,
    request: Uint8Array,
    traceHeader: string | undefined,
  ): Promise<CallAnswer> {
    const span = this.#otel?.continue(traceHeader, {
      name: `${method.component}.${method.method}`,
      kind: 'server',
    });
    try {
      const data = method.reply.encode(await handle(method.request.decode(request)));
      span?.end();
      return { data };
    } catch (error) {
      const code =
        error instanceof NotResponsible ? NOT_RESPONSIBLE : error instanceof CodecError ? 400 : 500;
      span?.end({ error: code === NOT_RESPONSIBLE ? 'not_responsible' : 'failed' });
      if (code !== NOT_RESPONSIBLE && !isLeaving(this.connection))
        this.#report.handlerFailed(method.subject, error);
      const description = error instanceof Error ? error.message : 'failed';
      return { data: NO_DATA, failure: { code, description } };
    }
  }

  publish<T>(subject: string, kind: MessageKind<T>, value: T): void {
    this.connection.publish(subject, kind.encode(value));
  }

  subscribe<T>(options: SubscribeOptions<T>): Subscription {
    const { subject, kind, handle, wants, onInvalid } = options;
    return this.connection.subscribe(subject, {
      ...(options.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (error || wants?.(message.subject, message.data.length) === false) return;
        let value: T;
        try {
          value = kind.decode(message.data);
        } catch (invalid) {
          if (!(invalid instanceof CodecError)) throw invalid;
          onInvalid?.(invalid, message.subject);
          return;
        }
        try {
          handle(value, message.subject);
        } catch (failure) {
          // An exception here would end the connection of all components in this process.
          this.#report.handlerFailed(subject, failure);
        }
      },
    });
  }

  /**
   * Publishes a fact. It is repeated until JetStream has acknowledged it, and stored once for each
   * `id`.
   */
  emit<T>(subject: EventSubject, kind: MessageKind<T>, value: T, id: string): void {
    this.#events.publish({ subject, payload: kind.encode(value), id });
  }

  /** Publishes an encoded fact once. Rejects if the stream did not store it. */
  store(subject: string, payload: Uint8Array, id: string): Promise<void> {
    return this.#events.publishOnce({ subject, payload, id });
  }

  /**
   * Resolves with true when all facts published so far are stored, or with false after `timeoutMs`.
   */
  flushEvents(timeoutMs: number): Promise<boolean> {
    return this.#events.flush(timeoutMs);
  }

  get droppedEvents(): number {
    return this.#events.dropped;
  }

  get waitingEvents(): number {
    return this.#events.waiting;
  }

  /**
   * Streams that have stored no fact for some seconds although the hub is connected, with the
   * reason.
   */
  failingStreams(): FailingStream[] {
    return this.#events.failing();
  }
}

/** Reads the answer of a component from its message. */
function answerIn({ data, headers }: Msg): CallAnswer {
  const code = headers?.get('Nats-Service-Error-Code');
  if (headers === undefined || !code) return { data };
  return { data, failure: { code: Number(code), description: headers.get('Nats-Service-Error') } };
}
