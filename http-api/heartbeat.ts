import type { ServerResponse } from 'node:http';

/**
 * A comment of the event stream, which all clients skip. It is sent while there is no content, so
 * that proxies do not close the connection as idle.
 */
const HEARTBEAT = ': still working\n\n';

/** Sends heartbeats on a silent event stream until it is closed. */
export class Heartbeat {
  readonly #timer: NodeJS.Timeout | undefined;

  /** An interval of 0 milliseconds sends no heartbeats. */
  constructor(response: ServerResponse, intervalMs: number) {
    if (intervalMs === 0) return;
    // Unread bytes keep the connection busy, so nothing is sent while there are any.
    const beat = () => {
      if (response.writableLength === 0) response.write(HEARTBEAT);
    };
    this.#timer = setInterval(beat, intervalMs).unref();
    response.once('close', () => this.stop());
  }

  /** The next heartbeat is due a whole interval after this call. */
  refresh(): void {
    this.#timer?.refresh();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
