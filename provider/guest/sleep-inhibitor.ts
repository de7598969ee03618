import { type ChildProcess, spawn } from 'node:child_process';
import { withoutSecrets } from '#bus-schemas/settings/settings.ts';
import type { GuestNote } from '../reasons.ts';

/** A program that keeps the computer awake while it runs, and its arguments. */
export type InhibitorCommand = readonly [string, ...string[]];

/**
 * The program for a system. It ends with the process `pid`, also if that process is killed. It only
 * prevents the sleep of an idle computer: its owner can still let it sleep, or close it.
 */
export const inhibitorCommand = (
  pid: number,
  platform: NodeJS.Platform = process.platform,
): InhibitorCommand =>
  platform === 'darwin'
    ? ['caffeinate', '-i', '-w', String(pid)]
    : [
        'systemd-inhibit',
        '--what=idle',
        '--who=dinf',
        '--why=This computer serves models',
        ...['tail', `--pid=${pid}`, '-f', '/dev/null'],
      ];

/** Keeps the computer awake while the machine accepts requests. */
export class SleepInhibitor implements Disposable {
  readonly #command: InhibitorCommand;
  #child: ChildProcess | undefined;
  #isWanted = false;
  #hasFailed = false;

  constructor(command: InhibitorCommand) {
    this.#command = command;
  }

  get notes(): GuestNote[] {
    return this.#isWanted && this.#hasFailed ? ['sleep_not_prevented'] : [];
  }

  /** True while the program runs. */
  get isHeld(): boolean {
    return this.#child !== undefined;
  }

  /** A program that is missing or has ended is tried again the next time that the machine opens. */
  hold(isWanted: boolean): void {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    if (isWanted) this.#start();
    else this.#end();
  }

  #start(): void {
    const [program, ...args] = this.#command;
    const child = spawn(program, args, { stdio: 'ignore', env: withoutSecrets(process.env) });
    this.#child = child;
    this.#hasFailed = false;
    const failed = () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#hasFailed = true;
    };
    child.once('error', failed);
    child.once('exit', failed);
  }

  #end(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill();
  }

  [Symbol.dispose](): void {
    this.hold(false);
  }
}
