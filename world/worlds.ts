import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readMigrations } from '#coordinator/database/migration-files.ts';
import { cacheFolder } from '#provider';
import type { WorldFault } from './faults.ts';
import type { Life } from './life.ts';
import type { Told, WorldTask } from './main.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

export interface LifeOptions {
  readonly seed: number;
  readonly faults?: readonly WorldFault[];
  /** The name of a change that breaks the program (mutations.ts). */
  readonly mutation?: string;
  /** Receives the story of the world, line by line. */
  readonly onLine?: (line: string) => void;
}

/** Runs worlds, each in a process of its own. */
export class Worlds {
  readonly #template: string;

  private constructor(template: string) {
    this.#template = template;
  }

  /** Makes the database of all worlds first, if this version has none in the cache yet. */
  static async prepare(env: NodeJS.ProcessEnv = process.env): Promise<Worlds> {
    const migrations = await readMigrations();
    const digest = createHash('sha256').update(JSON.stringify(migrations)).digest('hex');
    const folder = join(cacheFolder(env), 'world');
    const template = join(folder, `database-${digest.slice(0, 16)}.tar`);
    if (!existsSync(template)) {
      await mkdir(folder, { recursive: true });
      const fresh = `${template}.${process.pid}`;
      await run({ make: 'template', template: fresh });
      await rename(fresh, template);
    }
    return new Worlds(template);
  }

  async live({ seed, faults, mutation, onLine }: LifeOptions): Promise<Life> {
    const told = await run(
      {
        make: 'life',
        template: this.#template,
        seed,
        tells: onLine !== undefined,
        ...(faults && { faults }),
        ...(mutation !== undefined && { mutation }),
      },
      onLine,
    );
    if (told.k !== 'lived') throw new Error(`the world ${seed} ended without a result`);
    return told.life;
  }

  /**
   * Leaves out one fault after the other, as long as the same rule is still broken, and returns the
   * faults that are needed.
   */
  async shrink(life: Life): Promise<Life> {
    const rule = life.violations[0]?.invariant;
    let least = life;
    for (const fault of life.faults) {
      const faults = least.faults.filter((one) => !isSame(one, fault));
      const shorter = await this.live({ seed: life.seed, faults });
      if (shorter.violations.some(({ invariant }) => invariant === rule)) least = shorter;
    }
    return least;
  }
}

/** Faults that went through a process are no longer the same objects. */
const isSame = (one: WorldFault, other: WorldFault): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** Runs one task in a child process, and returns the last thing that it told. */
function run(task: WorldTask, onLine?: (line: string) => void): Promise<Told> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = fork(MAIN, {
      // Options of a test runner would load other builds of packages.
      execArgv: [],
      // The machines of a world enrol without TLS.
      env: { ...process.env, DINF_INSECURE: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let last: Told | undefined;
    let errors = '';
    child.stderr?.on('data', (part: Buffer) => {
      errors = `${errors}${part.toString('utf8')}`.slice(-4_000);
    });
    child.on('message', (told: Told) => {
      if (told.k === 'line') onLine?.(told.line);
      else last = told;
    });
    child.on('exit', (code, signal) => {
      if (last !== undefined) resolve(last);
      else reject(new Error(`a world ended with ${signal ?? code}: ${errors}`));
    });
    child.send(task);
  });
}
