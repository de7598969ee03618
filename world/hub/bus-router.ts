import type { SeededNumbers } from '../virtual/seeded-numbers.ts';
import type { BusMessage } from './parser.ts';
import { matches } from './subjects.ts';

/** An account on the bus: one of the coordinator's, or the public key of a machine's account. */
export type Account = 'core' | 'ops' | 'system' | (string & {});

export interface Subscription {
  readonly account: Account;
  readonly subject: string;
  readonly queue?: string;
  readonly deliver: (message: BusMessage) => void;
}

/** Answers requests inside the hub. Returns false if the subject is none of its own. */
export type Service = (account: Account, message: BusMessage) => boolean;

/** Most subjects whose receivers are remembered. */
const MAX_REMEMBERED = 4_096;

/**
 * Takes each message to its subscribers, across accounts as `bus-schemas/accounts/jwts.ts` permits:
 * `up.x` of the account P is `up.P.x` for the coordinator, and `down.P.x` of the coordinator is
 * `down.x` for P.
 */
export class BusRouter {
  readonly #random: SeededNumbers;
  readonly #subscriptions = new Set<Subscription>();
  readonly #remembered = new Map<string, readonly Subscription[]>();
  readonly #services: Service[] = [];

  constructor(random: SeededNumbers) {
    this.#random = random;
  }

  serve(service: Service): void {
    this.#services.push(service);
  }

  add(subscription: Subscription): void {
    this.#subscriptions.add(subscription);
    this.#remembered.clear();
  }

  remove(subscription: Subscription): void {
    if (this.#subscriptions.delete(subscription)) this.#remembered.clear();
  }

  /** Returns whether anybody has received the message. */
  publish(from: Account, message: BusMessage): boolean {
    const [account, seen] = acrossAccounts(from, message);
    const isServed = this.#services.some((service) => service(account, seen));
    const isRead = this.#deliver(account, seen);
    if (account === 'core' && seen.subject.startsWith('evt.')) this.#deliver('ops', seen);
    return isServed || isRead;
  }

  isRead(account: Account, subject: string): boolean {
    return this.#receivers(account, subject).length > 0;
  }

  #deliver(account: Account, message: BusMessage): boolean {
    const receivers = this.#receivers(account, message.subject);
    const queues = new Map<string, Subscription[]>();
    for (const receiver of receivers) {
      if (receiver.queue === undefined) {
        receiver.deliver(message);
        continue;
      }
      const name = `${receiver.subject} ${receiver.queue}`;
      const members = queues.get(name);
      if (members === undefined) queues.set(name, [receiver]);
      else members.push(receiver);
    }
    for (const members of queues.values())
      members[this.#random.integer(members.length)]?.deliver(message);
    return receivers.length > 0;
  }

  #receivers(account: Account, subject: string): readonly Subscription[] {
    const name = `${account} ${subject}`;
    const known = this.#remembered.get(name);
    if (known !== undefined) return known;
    const found = [...this.#subscriptions].filter(
      (one) => one.account === account && matches(one.subject, subject),
    );
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(name, found);
    return found;
  }
}

const isMachine = (account: Account): boolean => !['core', 'ops', 'system'].includes(account);

/** The account that receives a message, and the message as that account sees it. */
function acrossAccounts(from: Account, message: BusMessage): [Account, BusMessage] {
  const { subject } = message;
  if (isMachine(from) && subject.startsWith('up.'))
    return ['core', { ...message, subject: `up.${from}.${subject.slice('up.'.length)}` }];
  if (from === 'core' && subject.startsWith('down.')) {
    const [, machine = '', ...rest] = subject.split('.');
    return [machine, { ...message, subject: `down.${rest.join('.')}` }];
  }
  return [from, message];
}
