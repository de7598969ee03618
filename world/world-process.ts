import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Life } from './life.ts';
import type { LifeTask, Told, WorldOrder } from './main.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/**
 * Most objects of a world live for one event only; they are collected more rarely, in larger parts.
 * Without the least size V8 collects them every 4 MB, and keeps those of open requests until it marks all objects.
 */
const YOUNG_OBJECTS = ['--max-semi-space-size=32', '--min-semi-space-size=16'];
/** Length of the end of the error output that is kept. */
const KEPT_ERRORS = 4_000;

type OnLine = (line: string) => void;

/** A process of its own in which worlds live, one after the other. */
export class WorldProcess {
  readonly #child: ChildProcess;
  #errors = '';
  #lives = 0;

  constructor(order: WorldOrder) {
    this.#child = fork(MAIN, {
      // Options of a test runner would load other builds of packages, and are left out.
      execArgv: YOUNG_OBJECTS,
      // The machines of a world enrol without TLS.
      env: { ...process.env, DINF_INSECURE: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (part: Buffer) => {
      this.#errors = `${this.#errors}${part.toString('utf8')}`.slice(-KEPT_ERRORS);
    });
    this.#child.send(order);
  }

  /** Number of lives that it was asked for. */
  get lives(): number {
    return this.#lives;
  }

  async live(task: Omit<LifeTask, 'tells'>, onLine?: OnLine): Promise<Life> {
    this.#lives += 1;
    this.#child.send({ ...task, tells: onLine !== undefined } satisfies LifeTask);
    const told = await this.result(onLine);
    if (told.k !== 'lived') throw new Error(`the world ${task.seed} ended without a result`);
    return told.life;
  }

  /** The next result of the process. Rejects if the process ends without one. */
  result(onLine?: OnLine): Promise<Told> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#child.off('message', receive);
        this.#child.off('exit', fail);
      };
      const receive = (told: Told): void => {
        if (told.k === 'line') return onLine?.(told.line);
        end();
        resolve(told);
      };
      const fail = (code: number | null, signal: string | null): void => {
        end();
        reject(new Error(`a world ended with ${signal ?? code}: ${this.#errors}`));
      };
      this.#child.on('message', receive);
      this.#child.on('exit', fail);
    });
  }

  [Symbol.dispose](): void {
    this.#child.disconnect();
  }
}
