import type { FastifyReply } from 'fastify';
import { Heartbeat } from '#http-api/heartbeat.ts';
import { EVENT_STREAM } from '#http-api/respond.ts';
import type { LivePage } from './live-accounts.ts';
import type { LiveEvent } from './live-events.ts';
import type { Resumption } from './live-log.ts';

const HEARTBEAT_MS = 15_000;
/**
 * Bytes that a page may leave unread. A page above it is disconnected; it then continues from its
 * last event, or reads everything again.
 */
const MAX_UNREAD_BYTES = 256 * 1_024;

/** Writes the events of one page as an event stream. */
export class EventStreamPage implements LivePage {
  readonly session: string;
  readonly #reply: FastifyReply;

  constructor(session: string, reply: FastifyReply) {
    this.session = session;
    this.#reply = reply;
  }

  begin({ isComplete, missed, id }: Resumption): void {
    this.#reply.hijack();
    const response = this.#reply.raw;
    // `close` reports that the page is gone, so a failed write needs no handling of its own.
    response.on('error', () => undefined);
    response.writeHead(200, EVENT_STREAM);
    new Heartbeat(response, HEARTBEAT_MS);
    for (const each of missed) this.send(each.event, each.id);
    this.#write({ name: isComplete ? 'ready' : 'reset', data: {}, id });
  }

  send({ name, data }: LiveEvent, id: string): void {
    this.#write({ name, data, id });
  }

  stale(): void {
    this.#write({ name: 'stale', data: {} });
  }

  reset(id: string): void {
    this.#write({ name: 'reset', data: {}, id });
  }

  end(): void {
    this.#reply.raw.end();
  }

  #write({ name, data, id }: { name: string; data: object; id?: string }): void {
    const response = this.#reply.raw;
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength > MAX_UNREAD_BYTES) return void response.destroy();
    const head = id === undefined ? '' : `id: ${id}\n`;
    response.write(`${head}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
