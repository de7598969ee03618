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

/** Most subjects of one account whose patterns are remembered. */
const MAX_REMEMBERED = 4_096;

/** The subscriptions of one account, by the subject or pattern that they are for. */
class Subscriptions {
  readonly #bySubject = new Map<string, Set<Subscription>>();
  readonly #patterns = new Set<string>();
  /** The patterns that match a subject. */
  readonly #remembered = new Map<string, readonly string[]>();

  add(subscription: Subscription): void {
    const { subject } = subscription;
    const others = this.#bySubject.get(subject);
    if (others !== undefined) return void others.add(subscription);
    this.#bySubject.set(subject, new Set([subscription]));
    if (!isPattern(subject)) return;
    this.#patterns.add(subject);
    this.#remembered.clear();
  }

  remove(subscription: Subscription): void {
    const { subject } = subscription;
    const others = this.#bySubject.get(subject);
    if (!others?.delete(subscription) || others.size > 0) return;
    this.#bySubject.delete(subject);
    if (this.#patterns.delete(subject)) this.#remembered.clear();
  }

  for(subject: string): readonly Subscription[] {
    const found: Subscription[] = [];
    for (const one of this.#bySubject.get(subject) ?? []) found.push(one);
    for (const pattern of this.#matching(subject))
      for (const one of this.#bySubject.get(pattern) ?? []) found.push(one);
    return found;
  }

  #matching(subject: string): readonly string[] {
    const known = this.#remembered.get(subject);
    if (known !== undefined) return known;
    const found = [...this.#patterns].filter((pattern) => matches(pattern, subject));
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(subject, found);
    return found;
  }
}

const isPattern = (subject: string): boolean => subject.includes('*') || subject.endsWith('>');

/**
 * Takes each message to its subscribers, across accounts as `bus-schemas/accounts/jwts.ts` permits:
 * `up.x` of the account P is `up.P.x` for the coordinator, and `down.P.x` of the coordinator is
 * `down.x` for P.
 */
export class BusRouter {
  readonly #random: SeededNumbers;
  readonly #accounts = new Map<Account, Subscriptions>();
  readonly #services: Service[] = [];

  constructor(random: SeededNumbers) {
    this.#random = random;
  }

  serve(service: Service): void {
    this.#services.push(service);
  }

  add(subscription: Subscription): void {
    const { account } = subscription;
    const subscriptions = this.#accounts.get(account) ?? new Subscriptions();
    this.#accounts.set(account, subscriptions);
    subscriptions.add(subscription);
  }

  remove(subscription: Subscription): void {
    this.#accounts.get(subscription.account)?.remove(subscription);
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
    let queues: Map<string, Subscription[]> | undefined;
    for (const receiver of receivers) {
      if (receiver.queue === undefined) {
        receiver.deliver(message);
        continue;
      }
      queues ??= new Map();
      const name = `${receiver.subject} ${receiver.queue}`;
      const members = queues.get(name);
      if (members === undefined) queues.set(name, [receiver]);
      else members.push(receiver);
    }
    for (const members of queues?.values() ?? [])
      members[this.#random.integer(members.length)]?.deliver(message);
    return receivers.length > 0;
  }

  #receivers(account: Account, subject: string): readonly Subscription[] {
    return this.#accounts.get(account)?.for(subject) ?? [];
  }
}

const OF_COORDINATOR: ReadonlySet<Account> = new Set(['core', 'ops', 'system']);

const isMachine = (account: Account): boolean => !OF_COORDINATOR.has(account);

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
