import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#bus-schemas/message-of.ts';
import {
  nameOf,
  openUnit,
  SEALED_OVERHEAD,
  sealUnit,
  UNIT_NAME,
  type UnitId,
} from './sealed-unit.ts';
import { WriteBudget } from './write-budget.ts';

export interface PrefixStoreLimits {
  /** Most bytes of all files. */
  readonly mostBytes: number;
  /** A file is deleted when it was not used for this time, in milliseconds. */
  readonly mostAgeMs: number;
  /** Most bytes that are written on one UTC day. */
  readonly dailyBytes: number;
  /** Bytes of the disk that are left to other programs. */
  readonly freeBytes: number;
}

interface PrefixStoreOptions {
  readonly folder: string;
  /** Known to this machine alone. */
  readonly secret: Uint8Array;
  readonly limits: PrefixStoreLimits;
  readonly log: { error(facts: object, message: string): void };
  readonly now: () => number;
  /** Free bytes of the disk with the folder; replaced in tests. */
  readonly freeBytesOf?: (folder: string) => Promise<number>;
}

export interface PrefixStoreFigures {
  readonly files: number;
  readonly bytes: number;
  /** Bytes that were granted for writing on this UTC day. */
  readonly grantedBytes: number;
  /** Pages that were read since the start. */
  readonly pagesRead: number;
  /** Files that could not be decrypted, since the start. */
  readonly damaged: number;
}

interface StoredFile {
  readonly bytes: number;
  /** Time of its last use, in milliseconds since 1970. */
  readonly usedAt: number;
  /** The same as the disk has it, which is up to a minute older. */
  readonly touchedAt: number;
}

/** Most files in the folder, so that their list stays small. */
const MAX_FILES = 100_000;
/** A call to the disk that takes longer counts as hung, in milliseconds. */
const CALL_LIMIT_MS = 10_000;
/** After a failed write, nothing is written for this time, in milliseconds. */
const PAUSE_MS = 60_000;
/** Time between two checks of age, size and free space, in milliseconds. */
const TIDY_MS = 60_000;
const TIDIES_PER_SCAN = 10;
/** Time after which the use of a file is noted on the disk again, in milliseconds. */
const TOUCH_MS = 60_000;
const BUDGET_FILE = 'written.json';
const PART = '.part';

/**
 * Encrypted pages and states in a folder that belongs to one process.
 *
 *   absent → being written (`*.part`) → stored → deleted (old, beyond the limit, or damaged)
 *
 * Invariant: `read` returns exactly the bytes that were written for an id, or undefined. A file that a
 * crash, a full disk or another program left incomplete or changed does not decrypt, and is deleted.
 */
export class PrefixStore {
  readonly #options: PrefixStoreOptions;
  readonly #budget: WriteBudget;
  /** By name, the least recently used first. */
  readonly #files = new Map<string, StoredFile>();
  #bytes = 0;
  /** The limit of the bytes, or less if the disk is nearly full. */
  #allowedBytes = 0;
  #pagesRead = 0;
  #damaged = 0;
  /** Calls to the disk that exceeded their limit and have not ended. */
  #hung = 0;
  #pausedUntil = 0;
  #tidying: NodeJS.Timeout | undefined;
  #tidied = 0;

  private constructor(options: PrefixStoreOptions) {
    this.#options = options;
    const { folder, limits, now } = options;
    this.#budget = new WriteBudget({
      file: join(folder, BUDGET_FILE),
      dailyBytes: limits.dailyBytes,
      now,
    });
  }

  /** Opens the folder, and deletes what a process before this one left incomplete. */
  static async open(options: PrefixStoreOptions): Promise<PrefixStore> {
    const store = new PrefixStore(options);
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(options.folder))
      if (name.endsWith(PART)) await rm(join(options.folder, name), { force: true });
    await store.#scan();
    await store.sweep();
    store.#tidying = setInterval(() => void store.#tidy(), TIDY_MS).unref();
    return store;
  }

  get figures(): PrefixStoreFigures {
    return {
      files: this.#files.size,
      bytes: this.#bytes,
      grantedBytes: this.#budget.grantedBytes,
      pagesRead: this.#pagesRead,
      damaged: this.#damaged,
    };
  }

  /** False while the disk hangs or cannot be written to. */
  get isWritable(): boolean {
    return this.#hung === 0 && this.#options.now() >= this.#pausedUntil;
  }

  has(id: UnitId): boolean {
    return this.hasFile(this.fileOf(id));
  }

  /** The name of the file in which a unit is stored, or would be. */
  fileOf(id: UnitId): string {
    return nameOf(this.#options.secret, id);
  }

  hasFile(name: string): boolean {
    return this.#hung === 0 && this.#files.has(name);
  }

  /** Returns undefined if nothing is stored for the id, or if it cannot be read. */
  async read(id: UnitId): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { folder, secret } = this.#options;
    const name = nameOf(secret, id);
    const file = this.#files.get(name);
    if (file === undefined || this.#hung > 0) return undefined;
    const path = join(folder, name);
    try {
      const sealed = await this.#limited(() => bytesOf(path, file.bytes));
      const unit = sealed && (await openUnit(secret, id, sealed));
      if (unit === undefined) {
        this.#damaged += 1;
        await this.#delete(name);
        return undefined;
      }
      if (id.kind === 'page') this.#pagesRead += 1;
      this.#touch(name, file);
      return unit;
    } catch {
      // The file is gone, because its owner deleted it, or the disk fails. Both mean: not stored.
      this.#forget(name);
      return undefined;
    }
  }

  /** Notes that a file was used, and from time to time on the disk too, for a process after this one. */
  #touch(name: string, { bytes, touchedAt }: StoredFile): void {
    const now = this.#options.now();
    const isDue = Math.abs(now - touchedAt) >= TOUCH_MS;
    this.#use(name, { bytes, usedAt: now, touchedAt: isDue ? now : touchedAt });
    if (!isDue) return;
    const path = join(this.#options.folder, name);
    void this.#limited(() => utimes(path, now / 1_000, now / 1_000)).catch(() => undefined);
  }

  /** Stores a unit, unless it is stored already or a limit forbids it. Never throws. */
  async write(id: UnitId, unit: Uint8Array<ArrayBuffer>): Promise<void> {
    const { secret, log, now } = this.#options;
    const name = nameOf(secret, id);
    const bytes = unit.length + SEALED_OVERHEAD;
    if (this.#files.has(name) || !this.isWritable || bytes > this.#allowedBytes) return;
    try {
      if (!(await this.#budget.take(bytes))) {
        this.#pausedUntil = now() + PAUSE_MS;
        return;
      }
      await this.#limited(async () => this.#replace(name, await sealUnit(secret, id, unit)));
      this.#use(name, { bytes, usedAt: now(), touchedAt: now() });
      await this.#evict();
    } catch (error) {
      this.#pausedUntil = now() + PAUSE_MS;
      log.error({ err: messageOf(error) }, 'the cache on disk cannot be written to for a minute');
    }
  }

  /** Reads the folder again: its files may have been deleted by the machine's owner. */
  async #scan(): Promise<void> {
    const { folder } = this.#options;
    const found: [string, StoredFile][] = [];
    for (const name of await readdir(folder)) {
      if (!UNIT_NAME.test(name)) continue;
      const about = await stat(join(folder, name)).catch(() => undefined);
      if (about?.isFile()) {
        const { size: bytes, mtimeMs: touchedAt } = about;
        found.push([
          name,
          { bytes, usedAt: this.#files.get(name)?.usedAt ?? touchedAt, touchedAt },
        ]);
      }
    }
    this.#files.clear();
    this.#bytes = 0;
    for (const [name, file] of found.toSorted(([, one], [, other]) => one.usedAt - other.usedAt))
      this.#use(name, file);
  }

  /** Deletes old files, and those beyond the limits. Call it from time to time. */
  async sweep(): Promise<void> {
    const { folder, limits, now, freeBytesOf = freeBytesIn } = this.#options;
    // A time far in the future was written while the clock was wrong.
    for (const [name, { usedAt }] of [...this.#files])
      if (Math.abs(now() - usedAt) >= limits.mostAgeMs) await this.#delete(name);
    const free = await this.#limited(() => freeBytesOf(folder));
    const spare = Math.max(0, this.#bytes + free - limits.freeBytes);
    this.#allowedBytes = Math.min(limits.mostBytes, spare);
    await this.#evict();
  }

  async #tidy(): Promise<void> {
    if (this.#hung > 0) return;
    try {
      this.#tidied += 1;
      if (this.#tidied % TIDIES_PER_SCAN === 0) await this.#scan();
      await this.sweep();
    } catch (error) {
      this.#options.log.error({ err: messageOf(error) }, 'the cache on disk could not be tidied');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#tidying);
  }

  async #evict(): Promise<void> {
    for (const [name] of [...this.#files]) {
      if (this.#bytes <= this.#allowedBytes && this.#files.size <= MAX_FILES) return;
      await this.#delete(name);
    }
  }

  async #replace(name: string, parts: readonly Uint8Array[]): Promise<void> {
    const { folder } = this.#options;
    const part = join(folder, `${name}.${randomBytes(4).toString('hex')}${PART}`);
    try {
      const file = await open(part, 'wx', 0o600);
      try {
        const { bytesWritten } = await file.writev(parts as Uint8Array[]);
        const bytes = parts.reduce((sum, { length }) => sum + length, 0);
        if (bytesWritten < bytes) throw new Error('the disk is full');
      } finally {
        await file.close();
      }
      await rename(part, join(folder, name));
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  #use(name: string, file: StoredFile): void {
    this.#forget(name);
    this.#files.set(name, file);
    this.#bytes += file.bytes;
  }

  #forget(name: string): void {
    this.#bytes -= this.#files.get(name)?.bytes ?? 0;
    this.#files.delete(name);
  }

  async #delete(name: string): Promise<void> {
    this.#forget(name);
    await rm(join(this.#options.folder, name), { force: true }).catch(() => undefined);
  }

  /** While a call hangs, the store has nothing and takes nothing: requests do not wait for it. */
  async #limited<T>(call: () => Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#hung += 1;
      reject(new Error(`the disk has not answered for ${CALL_LIMIT_MS / 1_000} s`));
    }, CALL_LIMIT_MS).unref();
    const running = call().finally(() => {
      clearTimeout(timer);
      if (isLate) this.#hung -= 1;
    });
    running.catch(() => undefined);
    return await Promise.race([running, late]);
  }
}

async function freeBytesIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** The bytes of a file; undefined if it has become longer or shorter. A longer one is not read whole. */
async function bytesOf(path: string, bytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  await using file = await open(path);
  const read = new Uint8Array(bytes + 1);
  const { bytesRead } = await file.read(read, 0, read.length, 0);
  return bytesRead === bytes ? read.subarray(0, bytes) : undefined;
}
