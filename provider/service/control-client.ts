import { request } from 'node:http';
import { join } from 'node:path';
import type { Static, TSchema } from 'typebox';
import type { MachineFault } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { checkerOf } from '#bus-schemas/platform.ts';
import {
  ControlFault,
  ControlHello,
  ControlOperation,
  Events,
  Noted,
  type OperationKind,
  paths,
  SOCKET_NAME,
  State,
} from './control-api.ts';

const TIMEOUT_MS = 10_000;
const EVENT_WAIT_MS = 25_000;
/** Time in which the files of a model that the machine does not serve yet are read, in milliseconds. */
const READ_MODEL_MS = 600_000;

/** The service refuses an order; the message tells its owner why. */
class ControlRefused extends CodedError<'order_refused'> {
  override readonly fault = 'user';
}

/** Calls the control API of the service that runs in a home. */
export class ControlClient {
  readonly #socketPath: string;

  constructor(home: string) {
    this.#socketPath = join(home, SOCKET_NAME);
  }

  /** Undefined if no service runs in this home. */
  async hello(): Promise<ControlHello | undefined> {
    try {
      return await this.#call(ControlHello, 'GET', paths.hello);
    } catch (error) {
      if (isNotRunning(error)) return undefined;
      throw error;
    }
  }

  state(): Promise<State> {
    return this.#call(State, 'GET', paths.state);
  }

  /** Waits for events after the number `after`, 25 s at most. */
  events(after: number, waitMs = EVENT_WAIT_MS): Promise<Events> {
    return this.#call(Events, 'GET', `${paths.events}?after=${after}&wait_ms=${waitMs}`);
  }

  setPaused(isPaused: boolean): Promise<State> {
    return this.#call(State, 'POST', isPaused ? paths.pause : paths.resume);
  }

  /** Loads a model; its state in the answers of `state` shows when it is in memory. */
  switchTo(model: string): Promise<State> {
    const path = `${paths.switch}?model=${encodeURIComponent(model)}`;
    return this.#call(State, 'POST', path, READ_MODEL_MS);
  }

  /** Begins to fetch a build that the network wants; `wanted` in the state shows how far it is. */
  accept(build: string): Promise<State> {
    return this.#call(State, 'POST', `${paths.accept}?build=${encodeURIComponent(build)}`);
  }

  begin(kind: OperationKind): Promise<ControlOperation> {
    return this.#call(ControlOperation, 'POST', `${paths.operations}?kind=${kind}`);
  }

  /** Tells the machine a fault, which it reports to the operator. */
  note(fault: MachineFault): Promise<unknown> {
    return this.#call(Noted, 'POST', `${paths.notes}?fault=${fault}`);
  }

  operation(id: string): Promise<ControlOperation> {
    return this.#call(ControlOperation, 'GET', `${paths.operations}/${id}`);
  }

  async #call<Schema extends TSchema>(
    schema: Schema,
    method: 'GET' | 'POST',
    path: string,
    timeout = EVENT_WAIT_MS + TIMEOUT_MS,
  ): Promise<Static<Schema>> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const call = request({ socketPath: this.#socketPath, method, path, timeout }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    });
    call.once('error', reject);
    call.once('timeout', () => call.destroy(new Error('The service does not answer.')));
    call.end();
    const { status, text } = await promise;
    const body: unknown = JSON.parse(text);
    if (status === 400 && checkerOf(ControlFault).Check(body))
      throw new ControlRefused('order_refused', body.error);
    if (status !== 200) throw new Error(`The service answered ${status}: ${text}`);
    return checkerOf(schema).Parse(body);
  }
}

/** Errors of a socket without a listener, or whose process ends during the call. */
const ENDED: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** Whether no process listens at the socket. */
function isNotRunning(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return ENDED.has(String(code));
}
