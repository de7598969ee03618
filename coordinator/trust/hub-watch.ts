import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type CounterOf, counter } from '#observability';
import { type HubAnswer, hubRound, type KnownHub } from './core/lost-hubs.ts';

export interface HubWatchOptions {
  readonly system: NatsConnection;
  readonly log: Logger;
  readonly metrics: Registry;
}

/**
 * Interval of the rounds, in milliseconds. With two silent rounds, other hubs accept the machines
 * of a killed hub 0.5 to 0.75 s after its end.
 */
const ROUND_MS = 250;
/**
 * The same while there is one hub, in milliseconds. Its end needs no announcement, because no other
 * hub has counted its machines.
 */
const ALONE_ROUND_MS = 2_000;
const ASK_ALL = '$SYS.REQ.SERVER.PING';

/**
 * Announces the end of a hub that could not announce it itself. The hubs of a cluster count the
 * leaf connections of each account together and allow one. They drop the counts of a hub when it
 * sends `SHUTDOWN`. If a hub is killed, they keep its counts for up to 4 minutes and refuse its
 * machines for as long. Several copies of trust may announce the same end: the second announcement
 * has no effect.
 */
export class HubWatch implements Disposable {
  readonly #options: HubWatchOptions;
  readonly #lost: CounterOf<'dinf_trust_lost_hubs_total'>;
  readonly #inbox = createInbox();
  readonly #subscription: { unsubscribe(): void };
  #timer: NodeJS.Timeout;
  #known: readonly KnownHub[] = [];
  #answers: HubAnswer[] = [];

  constructor(options: HubWatchOptions) {
    this.#options = options;
    this.#lost = counter(options.metrics, 'dinf_trust_lost_hubs_total');
    this.#subscription = options.system.subscribe(this.#inbox, {
      callback: (error, message) => (error ? undefined : this.#take(message)),
    });
    this.#timer = setTimeout(() => this.#round(), ROUND_MS);
  }

  #take(message: Msg): void {
    const { server, statsz } = message.json<{
      server?: { id?: unknown; name?: unknown };
      statsz?: { routes?: { name?: unknown }[] };
    }>();
    if (typeof server?.id !== 'string' || typeof server.name !== 'string') return;
    const routes = (statsz?.routes ?? [])
      .map(({ name }) => name)
      .filter((name) => typeof name === 'string');
    this.#answers.push({ id: server.id, name: server.name, routes });
  }

  #round(): void {
    const { system, log } = this.#options;
    const { known, lost, isAlone } = hubRound(this.#known, this.#answers);
    this.#known = known;
    this.#answers = [];
    for (const { id, name } of lost) {
      this.#lost.inc();
      log.warn(
        { hub: name, id },
        'a hub has ended without an announcement; the other hubs now let its machines in',
      );
      system.publish(`$SYS.SERVER.${id}.SHUTDOWN`, '{}');
    }
    system.publish(ASK_ALL, '', { reply: this.#inbox });
    this.#timer = setTimeout(() => this.#round(), isAlone ? ALONE_ROUND_MS : ROUND_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
  }
}
