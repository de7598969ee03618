import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { withoutSecrets } from '#bus-schemas/settings/settings.ts';
import type { Closed, DoorInput } from './door.ts';
import { type InhibitorCommand, SleepInhibitor } from './sleep-inhibitor.ts';

/** Programs of a system that tell when it goes to sleep, and that let it wait for a moment before. */
export interface SleepCommands {
  /** Prints a line when the computer goes to sleep, and one when it wakes. */
  readonly monitor: InhibitorCommand;
  /** Delays the sleep while it runs. */
  readonly delay: InhibitorCommand;
}

/** The programs for Linux with systemd. macOS tells no program of the shell before it sleeps. */
export const sleepCommands = (
  pid: number,
  platform: NodeJS.Platform = process.platform,
): SleepCommands | undefined =>
  platform !== 'linux'
    ? undefined
    : {
        monitor: [
          'gdbus',
          ...['monitor', '--system', '--dest', 'org.freedesktop.login1'],
          ...['--object-path', '/org/freedesktop/login1'],
        ],
        delay: [
          'systemd-inhibit',
          ...['--what=sleep', '--mode=delay', '--who=dinf'],
          '--why=This computer tells its network that it goes to sleep',
          ...['tail', `--pid=${pid}`, '-f', '/dev/null'],
        ],
      };

export interface SleepWatchOptions {
  /** Undefined on systems that do not announce their sleep; then only the waking is noticed. */
  readonly commands: SleepCommands | undefined;
  /** Called when the computer goes to sleep: `closedAt` has to be asked at once. */
  readonly onSleep: () => void;
  /** Called when the computer has woken, also from a sleep that was not announced. */
  readonly onWake: () => void;
}

const SIGNAL = /PrepareForSleep \((true|false),\)/;
/** Time in which the network is told, before the computer may sleep, in milliseconds. */
const ANNOUNCE_MS = 500;
/** A pause of this process from which the computer counts as having slept, in milliseconds. */
const SLEPT_MS = 10_000;
/** Looks after which an announced sleep counts as cancelled. */
const MAX_LOOKS = 30;

/** Closes the machine when the computer goes to sleep, and opens it when the computer has woken. */
export class SleepWatch implements DoorInput, Disposable {
  readonly #options: SleepWatchOptions;
  readonly #delay: SleepInhibitor | undefined;
  readonly #monitor: ChildProcess | undefined;
  #releasing: NodeJS.Timeout | undefined;
  #isAsleep = false;
  /** Looks since the announcement of the sleep. */
  #looks = 0;
  #lookedAt: number | undefined;

  constructor(options: SleepWatchOptions) {
    this.#options = options;
    const { commands } = options;
    if (commands === undefined) return;
    this.#delay = new SleepInhibitor(commands.delay);
    this.#delay.hold(true);
    this.#monitor = this.#start(commands.monitor);
  }

  /** `now` is in milliseconds since 1970, and about a second after that of the last call. */
  closedAt(now: number): Closed | undefined {
    const hasSlept = this.#lookedAt !== undefined && now - this.#lookedAt >= SLEPT_MS;
    this.#lookedAt = now;
    this.#looks += 1;
    if (hasSlept || (this.#isAsleep && this.#looks > MAX_LOOKS)) this.#wake();
    return this.#isAsleep ? { reason: 'sleep' } : undefined;
  }

  #start([program, ...args]: InhibitorCommand): ChildProcess {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: withoutSecrets(process.env),
    });
    // Without the program the computer sleeps unannounced, and its waking is noticed by the clock.
    child.once('error', () => {});
    createInterface({ input: child.stdout }).on('line', (line) => {
      const isGoing = SIGNAL.exec(line)?.[1];
      if (isGoing === 'true') this.#sleep();
      if (isGoing === 'false') this.#wake();
    });
    return child;
  }

  #sleep(): void {
    this.#isAsleep = true;
    this.#looks = 0;
    this.#options.onSleep();
    clearTimeout(this.#releasing);
    this.#releasing = setTimeout(() => this.#delay?.hold(false), ANNOUNCE_MS);
  }

  #wake(): void {
    this.#isAsleep = false;
    clearTimeout(this.#releasing);
    this.#delay?.hold(true);
    this.#options.onWake();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#releasing);
    this.#monitor?.kill();
    this.#delay?.[Symbol.dispose]();
  }
}
