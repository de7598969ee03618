import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import promises from 'node:timers/promises';
import { currentHost } from './host.ts';
import type { Planned, VirtualTime } from './virtual-time.ts';

/** Node waits at least this long, in milliseconds. */
const SHORTEST_MS = 1;

type Callback = (...parameters: unknown[]) => void;

/** What `setTimeout` and `setInterval` return. */
class VirtualTimer {
  readonly #time: () => VirtualTime;
  readonly #delayMs: number;
  readonly #repeats: boolean;
  readonly #call: () => void;
  #host = currentHost();
  #planned: Planned;

  constructor(time: () => VirtualTime, delayMs: number, repeats: boolean, call: () => void) {
    this.#time = time;
    this.#delayMs = delayMs >= SHORTEST_MS ? delayMs : SHORTEST_MS;
    this.#repeats = repeats;
    this.#call = call;
    this.#planned = this.#plan();
  }

  #plan(): Planned {
    return this.#time().plan(this.#delayMs, this.#fire, this.#host);
  }

  readonly #fire = (): void => {
    if (this.#repeats) this.#planned = this.#plan();
    this.#call();
  };

  /** Node's `fetch` has one timer for all its requests, which belongs to the host that asks last. */
  refresh(): this {
    this.#planned.isCancelled = true;
    this.#host = currentHost();
    this.#planned = this.#plan();
    return this;
  }

  close(): this {
    this.#planned.isCancelled = true;
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const cancel = (timer: unknown): void => {
  if (timer instanceof VirtualTimer) timer.close();
};

/**
 * Replaces every clock and timer of this process. Modules that are loaded later see only these.
 * `time` returns the time of the present world.
 */
export function installTime(time: () => VirtualTime): void {
  const later =
    (repeats: boolean) =>
    (call: Callback, delayMs = SHORTEST_MS, ...parameters: unknown[]) =>
      new VirtualTimer(
        time,
        Number(delayMs),
        repeats,
        parameters.length === 0 ? call : () => call(...parameters),
      );
  const replaced = {
    setTimeout: later(false),
    setInterval: later(true),
    setImmediate: (call: Callback, ...parameters: unknown[]) => {
      const planned = time().plan(0, () => call(...parameters));
      return { planned, ref: () => undefined, unref: () => undefined };
    },
    clearTimeout: cancel,
    clearInterval: cancel,
    clearImmediate: (immediate?: { planned?: Planned }) => {
      if (immediate?.planned) immediate.planned.isCancelled = true;
    },
  };
  Object.assign(globalThis, replaced);
  Object.assign(timers, replaced);
  Object.assign(promises, {
    setTimeout: <Value>(delayMs: number, value: Value, options?: { signal?: AbortSignal }) =>
      wait(delayMs, value, options?.signal),
    setImmediate: <Value>(value: Value) => wait(0, value),
    scheduler: { wait: (delayMs: number) => wait(delayMs, undefined) },
  });
  AbortSignal.timeout = (delayMs) => {
    const controller = new AbortController();
    setTimeout(
      () => controller.abort(new DOMException('The operation timed out', 'TimeoutError')),
      delayMs,
    );
    return controller.signal;
  };
  installClocks(time);
  syncBuiltinESMExports();
}

function wait<Value>(delayMs: number, value: Value, signal?: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(new DOMException('The operation was aborted', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve(value);
    }, delayMs);
    if (signal?.aborted) aborted();
    else signal?.addEventListener('abort', aborted, { once: true });
  });
}

function installClocks(time: () => VirtualTime): void {
  const RealDate = Date;
  class VirtualDate extends RealDate {
    constructor(...parameters: unknown[]) {
      if (parameters.length === 0) super(time().date());
      else super(...(parameters as [number]));
    }

    static override now(): number {
      return time().date();
    }
  }
  globalThis.Date = VirtualDate as DateConstructor;
  performance.now = () => time().now;
  process.hrtime.bigint = () => BigInt(Math.round(time().now * 1e6));
}
