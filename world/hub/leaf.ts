import { connect, createServer, type Socket } from 'node:net';
import { type Host, runOn } from '../virtual/host.ts';
import type { SeededNumbers } from '../virtual/seeded-numbers.ts';
import type { VirtualTime } from '../virtual/virtual-time.ts';
import { BusRouter, type Subscription } from './bus-router.ts';
import { HUB_PORT } from './hub.ts';
import { type BusMessage, ClientParser, delivery, publication } from './parser.ts';

export const LEAF_PORT = 4223;
/** Pause before a leaf connects again, in milliseconds. */
const AGAIN_MS = 1_000;
/** A link that was silent for this long is given up, in milliseconds. */
const SILENCE_MS = 6_000;
const PING_MS = 2_000;
/** Shares of the messages of a lossy leaf. */
const LOST_SHARE = 0.1;
const DOUBLED_SHARE = 0.1;
const PING = Buffer.from('PING\r\n');

/**
 * The nats-server of one machine. Its agent stays connected while the link to the hub is lost;
 * messages that cannot go up are dropped, as a leaf drops them.
 */
export class SimulatedLeaf {
  readonly #account: string;
  readonly #hub: string;
  readonly #time: VirtualTime;
  readonly #router: BusRouter;
  readonly #random: SeededNumbers;
  readonly #host: Host;
  #uplink: Socket | undefined;

  private constructor(
    account: string,
    { hub, time, random }: { hub: string; time: VirtualTime; random: SeededNumbers },
    host: Host,
  ) {
    this.#account = account;
    this.#hub = hub;
    this.#time = time;
    this.#router = new BusRouter(random);
    this.#random = random;
    this.#host = host;
    createServer((socket) => this.#serve(socket)).listen(LEAF_PORT, host.address);
    this.#connect();
  }

  static start(
    host: Host,
    account: string,
    parts: { hub: string; time: VirtualTime; random: SeededNumbers },
  ): SimulatedLeaf {
    return runOn(host, () => new SimulatedLeaf(account, parts, host));
  }

  #connect(): void {
    const link = connect(HUB_PORT, this.#hub);
    const parser = new ClientParser();
    let heard = this.#time.now;
    link.on('connect', () => {
      link.write(`CONNECT ${JSON.stringify({ leaf: this.#account })}\r\n`);
      this.#uplink = link;
      watch();
    });
    const watch = (): void => {
      this.#time.plan(PING_MS, () => {
        if (link.destroyed) return;
        if (this.#time.now - heard > SILENCE_MS) return void link.destroy();
        link.write(PING);
        watch();
      });
    };
    link.on('data', (chunk: Buffer) => {
      heard = this.#time.now;
      for (const message of parser.read(chunk))
        if (message.is === 'pub') this.#passOn(() => void this.#router.publish('machine', message));
    });
    link.on('error', () => undefined);
    link.on('close', () => {
      if (this.#uplink === link) this.#uplink = undefined;
      this.#time.plan(AGAIN_MS, () => this.#connect());
    });
  }

  /** Serves the agent of this machine. */
  #serve(socket: Socket): void {
    const parser = new ClientParser();
    const subscriptions = new Map<string, Subscription>();
    const write = (bytes: Buffer | string) => {
      if (!socket.destroyed) socket.write(bytes);
    };
    write(
      `INFO ${JSON.stringify({ server_id: 'leaf', version: '2.12.0', proto: 1, headers: true, max_payload: 8_388_608 })}\r\n`,
    );
    socket.on('data', (chunk: Buffer) => {
      for (const message of parser.read(chunk)) {
        if (message.is === 'ping') write('PONG\r\n');
        if (message.is === 'pub') this.#publish(message);
        if (message.is === 'sub') {
          const { sid, subject } = message;
          const deliver = (sent: BusMessage) => write(delivery(sid, sent));
          const subscription = { account: 'machine', subject, deliver };
          subscriptions.set(sid, subscription);
          this.#router.add(subscription);
        }
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const subscription of subscriptions.values()) this.#router.remove(subscription);
    });
  }

  /** Passes a message on: once, or not at all or twice while the leaf is lossy. */
  #passOn(send: () => void): void {
    if (!this.#host.isLossy) return send();
    const part = this.#random.fraction();
    if (part < LOST_SHARE) return;
    send();
    if (part < LOST_SHARE + DOUBLED_SHARE) send();
  }

  #publish(message: BusMessage): void {
    if (message.subject.startsWith('up.'))
      this.#passOn(() => void this.#uplink?.write(publication(message)));
    else this.#router.publish('machine', message);
  }
}
