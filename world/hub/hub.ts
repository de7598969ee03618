import type { Server } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { HUB_PINGS } from '#coordinator/founding/hub-config.ts';
import type { Host } from '../virtual/host.ts';
import { runOn } from '../virtual/host.ts';
import type { SeededNumbers } from '../virtual/seeded-numbers.ts';
import type { VirtualTime } from '../virtual/virtual-time.ts';
import { type Account, BusRouter, type Subscription } from './bus-router.ts';
import { type HubDisk, JetStream } from './jetstream.ts';
import {
  type BusMessage,
  type ClientMessage,
  ClientParser,
  delivery,
  publication,
  statusHeaders,
} from './parser.ts';
import { SystemServices } from './system-services.ts';
import { tokenClaims } from './token-claims.ts';

export const HUB_PORT = 4222;
const MAX_PAYLOAD = 8 * 1024 * 1024;
const VERSION = '2.12.0';

export interface SimulatedHubOptions {
  readonly host: Host;
  readonly time: VirtualTime;
  readonly random: SeededNumbers;
  readonly disk: HubDisk;
  readonly port?: number;
  /** The public keys of the coordinator's accounts. */
  readonly accounts: ReadonlyMap<string, Account>;
  /** Told about every message, for the story and the fingerprint of the world. */
  readonly onMessage: (account: Account, message: BusMessage) => void;
}

/**
 * A hub: the protocol of nats-server towards its clients, with accounts, queue groups and
 * JetStream, on the simulated network. The clients are the real ones.
 */
export class SimulatedHub {
  readonly #options: SimulatedHubOptions;
  readonly #router: BusRouter;
  readonly server: Server;
  readonly #system: SystemServices;
  /** The links of the leaves, by the account of their machine. */
  readonly #leaves = new Map<Account, Socket>();

  constructor(options: SimulatedHubOptions) {
    this.#options = options;
    const { host, time, random, disk, port = HUB_PORT } = options;
    this.#router = new BusRouter(random);
    const send = (account: Account, message: BusMessage) => this.#publish(account, message);
    this.#system = new SystemServices({
      name: host.name,
      time,
      version: VERSION,
      machines: disk.machines,
      send,
      onExpelled: (account) => this.#leaves.get(account)?.destroy(),
    });
    const isRead = (account: Account, subject: string) => this.#router.isRead(account, subject);
    this.#router.serve(new JetStream({ disk, time, send, isRead }).service);
    this.#router.serve(this.#system.service);
    this.server = createServer((socket) => this.#serve(socket)).listen(port, host.address);
  }

  /** Starts a hub on its host. */
  static start(options: SimulatedHubOptions): SimulatedHub {
    return runOn(options.host, () => new SimulatedHub(options));
  }

  #publish(account: Account, message: BusMessage): boolean {
    this.#options.onMessage(account, message);
    return this.#router.publish(account, message);
  }

  #serve(socket: Socket): void {
    const parser = new ClientParser();
    const subscriptions = new Map<string, Subscription>();
    let account: Account = '';
    let isLeaf = false;
    let wantsNoResponders = false;
    const subscribe = (sid: string, subscription: Subscription) => {
      subscriptions.set(sid, subscription);
      this.#router.add(subscription);
    };
    const unsubscribe = (sid: string) => {
      const subscription = subscriptions.get(sid);
      if (subscription !== undefined) this.#router.remove(subscription);
      subscriptions.delete(sid);
    };
    const write = (bytes: Buffer) => {
      if (!socket.destroyed) socket.write(bytes);
    };
    /** Only the leaf of a machine that trust has admitted may connect. */
    const connectLeaf = (machine: Account): void => {
      if (!this.#options.disk.machines.has(machine)) return void socket.destroy();
      isLeaf = true;
      account = machine;
      this.#leaves.set(account, socket);
      this.#system.leafConnected(account);
      const deliver = (sent: BusMessage) => write(publication(sent));
      subscribe('down', { account, subject: 'down.>', deliver });
    };
    const handle = (message: ClientMessage): void => {
      switch (message.is) {
        case 'connect': {
          const { leaf } = message.options;
          if (typeof leaf === 'string') return connectLeaf(leaf);
          account = this.#accountOf(message.options);
          wantsNoResponders = message.options.no_responders === true;
          return;
        }
        case 'ping':
          return write(Buffer.from('PONG\r\n'));
        case 'info':
        case 'pong':
          return;
        case 'sub': {
          const { sid, subject, queue } = message;
          return subscribe(sid, {
            account,
            subject,
            ...(queue !== undefined && { queue }),
            deliver: (sent) => write(delivery(sid, sent)),
          });
        }
        case 'unsub':
          return limited(message.sid, message.max);
        case 'pub': {
          if (this.#publish(account, message) || message.reply === undefined) return;
          if (wantsNoResponders)
            this.#router.publish(account, {
              subject: message.reply,
              headers: statusHeaders('503'),
              payload: Buffer.alloc(0),
            });
        }
      }
    };
    /** Ends a subscription now, or after so many more messages. */
    const limited = (sid: string, max: number | undefined): void => {
      const subscription = subscriptions.get(sid);
      if (max === undefined || subscription === undefined) return unsubscribe(sid);
      unsubscribe(sid);
      let left = max;
      subscribe(sid, {
        ...subscription,
        deliver: (sent) => {
          subscription.deliver(sent);
          left -= 1;
          if (left === 0) unsubscribe(sid);
        },
      });
    };
    write(Buffer.from(`INFO ${JSON.stringify(this.#info())}\r\n`));
    let unanswered = 0;
    // A client that is cut off keeps its subscriptions until the hub has noticed.
    const pings = setInterval(() => {
      if (unanswered === HUB_PINGS.most) return void socket.destroy();
      unanswered += 1;
      write(Buffer.from('PING\r\n'));
    }, HUB_PINGS.everySeconds * 1_000);
    socket.on('data', (chunk: Buffer) => {
      unanswered = 0;
      for (const message of parser.read(chunk)) handle(message);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(pings);
      for (const sid of [...subscriptions.keys()]) unsubscribe(sid);
      if (!isLeaf) return;
      if (this.#leaves.get(account) === socket) this.#leaves.delete(account);
      this.#system.leafDisconnected(account);
    });
  }

  /** Does not check the signature: that would take three of a hundred parts of a life. */
  #accountOf({ jwt }: Readonly<Record<string, unknown>>): Account {
    const { iss, nats } = tokenClaims(String(jwt));
    const key = nats?.issuer_account ?? iss;
    return this.#options.accounts.get(key) ?? key;
  }

  #info(): unknown {
    const { host } = this.#options;
    return {
      server_id: host.name,
      server_name: host.name,
      version: VERSION,
      host: host.address,
      port: HUB_PORT,
      proto: 1,
      headers: true,
      jetstream: true,
      auth_required: true,
      nonce: 'world',
      max_payload: MAX_PAYLOAD,
    };
  }
}
