import { events, JobOrder, TrustVerdict } from '#bus-schemas';
import { framesIn } from '#simulator/sent-frames.ts';
import type { Account } from './hub/bus-router.ts';
import type { BusMessage } from './hub/parser.ts';

const ORDER = /^down\.([^.]+)\.job$/;

/** What the hub has seen of the machines, for the rules about trust. */
export class BusWatch {
  /** When the last message of each machine arrived, by the account of the machine. */
  readonly lastMessages = new Map<Account, number>();
  /** The accounts of the machines that each job was ordered from. */
  readonly orders = new Map<string, Set<Account>>();
  /** The runs that each machine was ordered: a job and its attempt. */
  readonly ordered = new Map<Account, Set<string>>();
  /** When each machine got its last order. */
  readonly lastOrders = new Map<Account, number>();
  /** Orders to machines that trust had not verified before. */
  readonly earlyOrders: string[] = [];
  /** Frames that have the name of an earlier one and other bytes, by the machine that sent them. */
  readonly changedFrames = new Map<Account, string>();
  readonly #frames = new Map<string, Buffer>();
  readonly #verified = new Set<Account>();

  see(account: Account, { subject, payload }: BusMessage, now: number): void {
    if (subject.startsWith('up.')) this.lastMessages.set(account, now);
    this.#sent(account, subject, payload);
    if (account !== 'core') return;
    if (subject === events.trustVerdict) this.#judged(payload);
    const [, machine] = ORDER.exec(subject) ?? [];
    if (machine === undefined) return;
    this.#ordered(JobOrder.decode(payload), machine);
    this.lastOrders.set(machine, now);
    if (!this.#verified.has(machine)) this.earlyOrders.push(`${machine} got an order too early`);
  }

  #sent(machine: Account, subject: string, payload: Buffer): void {
    for (const { job, attempt, seq, sealed } of framesIn(subject, payload)) {
      const name = `${machine} ${job} ${attempt} ${seq}`;
      const before = this.#frames.get(name);
      if (before === undefined) this.#frames.set(name, Buffer.from(sealed));
      else if (!before.equals(sealed)) this.changedFrames.set(machine, name);
    }
  }

  #ordered({ job, attempt }: JobOrder, machine: Account): void {
    const machines = this.orders.get(job) ?? new Set();
    this.orders.set(job, machines.add(machine));
    const runs = this.ordered.get(machine) ?? new Set();
    this.ordered.set(machine, runs.add(`${job} ${attempt}`));
  }

  #judged(payload: Buffer): void {
    const { provider, standing } = TrustVerdict.decode(payload);
    if (standing === 'verified') this.#verified.add(provider);
  }
}
