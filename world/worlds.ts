import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { readMigrations } from '#coordinator/database/migration-files.ts';
import { cacheFolder } from '#provider';
import type { WorldFault } from './faults.ts';
import type { Life } from './life.ts';
import { WorldProcess } from './world-process.ts';

/** A process is replaced after so many lives, which bounds what it may have collected. */
const LIVES_PER_PROCESS = 250;

interface LifeOptions {
  readonly seed: number;
  readonly faults?: readonly WorldFault[];
  /** Receives the story of the world, line by line. */
  readonly onLine?: (line: string) => void;
}

interface WorldsOptions {
  /** The name of a change that breaks the program (mutations.ts). */
  readonly mutation?: string;
}

/** Runs worlds in processes of their own, as many at once as it is asked for. */
export class Worlds implements Disposable {
  readonly #template: string;
  readonly #options: WorldsOptions;
  readonly #idle: WorldProcess[] = [];

  private constructor(template: string, options: WorldsOptions) {
    this.#template = template;
    this.#options = options;
  }

  /** Makes the database of all worlds first, if this version has none in the cache yet. */
  static async prepare(options: WorldsOptions = {}): Promise<Worlds> {
    const migrations = await readMigrations();
    const digest = createHash('sha256').update(JSON.stringify(migrations)).digest('hex');
    const folder = join(cacheFolder(process.env), 'world');
    const template = join(folder, `database-${digest.slice(0, 16)}.tar`);
    if (!existsSync(template)) {
      await mkdir(folder, { recursive: true });
      const fresh = `${template}.${process.pid}`;
      using maker = new WorldProcess({ make: 'template', template: fresh });
      await maker.result();
      await rename(fresh, template);
    }
    return new Worlds(template, options);
  }

  /** Runs one world. Rejects if its process ends by it; the lives in other processes go on. */
  async live({ onLine, ...task }: LifeOptions): Promise<Life> {
    const process =
      this.#idle.pop() ??
      new WorldProcess({ make: 'lives', template: this.#template, ...this.#options });
    const life = await process.live(task, onLine);
    if (process.lives < LIVES_PER_PROCESS) this.#idle.push(process);
    else process[Symbol.dispose]();
    return life;
  }

  [Symbol.dispose](): void {
    for (const process of this.#idle.splice(0)) process[Symbol.dispose]();
  }

  /**
   * Leaves out one fault after the other, as long as the same rule is still broken, and returns the
   * faults that are needed.
   */
  async shrink(life: Life): Promise<Life> {
    const rule = life.violations[0]?.rule;
    let least = life;
    for (const fault of life.faults) {
      const faults = least.faults.filter((one) => !isSame(one, fault));
      const shorter = await this.live({ seed: life.seed, faults });
      if (shorter.violations.some((one) => one.rule === rule)) least = shorter;
    }
    return least;
  }
}

/** Faults that went through a process are no longer the same objects. */
const isSame = (one: WorldFault, other: WorldFault): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
