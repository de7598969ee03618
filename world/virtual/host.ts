import { AsyncLocalStorage } from 'node:async_hooks';
import type { Trick } from '../hostile-machine.ts';

/** Runs work under a context that was made before: `AsyncLocalStorage.run` makes a new one each time. */
type Enter = <Result>(work: () => Result) => Result;

const current = new AsyncLocalStorage<Host | undefined>();
const withoutHost: Enter = current.run(undefined, () => AsyncLocalStorage.snapshot());

/**
 * One process of the world: a part of the coordinator, a machine, a hub, a customer. All processes
 * of a world run in one process of the operating system; everything that a host does carries its
 * name through `AsyncLocalStorage`, so that its timers and connections end with it.
 */
export class Host {
  readonly name: string;
  /** The address of this host on the simulated network. */
  readonly address: string;
  /** What its clock shows beyond the true time, in milliseconds. */
  clockOffsetMs = 0;
  /** Until this time of the world the host does nothing, as after SIGSTOP. */
  frozenUntil = 0;
  /** What it does as soon as it is no longer frozen, in this order. */
  readonly held: (() => void)[] = [];
  /** Some of the messages that it passes on are lost, and some are sent twice. */
  isLossy = false;
  /** What this machine does against its customers or the network; undefined if it is honest. */
  trick: Trick | undefined;
  /** Runs work in the name of this host. */
  readonly run: Enter;
  #isAlive = true;
  #ends: (() => void)[] = [];

  constructor(name: string, address: string) {
    this.name = name;
    this.address = address;
    this.run = current.run(this, () => AsyncLocalStorage.snapshot());
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Calls `end` when this host is killed. */
  onKill(end: () => void): void {
    this.#ends.push(end);
  }

  /** Ends the host as SIGKILL does: nothing of it runs any more, and its connections break. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const end of this.#ends.splice(0)) end();
  }
}

/** The host whose code runs now; undefined for the code of the world itself. */
export const currentHost = (): Host | undefined => current.getStore();

export const runOn = <Result>(host: Host | undefined, work: () => Result): Result =>
  host === undefined ? withoutHost(work) : host.run(work);
