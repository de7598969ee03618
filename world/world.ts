import { createHash } from 'node:crypto';
import type { PGlite } from '@electric-sql/pglite';
import type { Account } from './hub/bus-router.ts';
import { emptyDisk, type HubDisk } from './hub/jetstream.ts';
import { Cables } from './virtual/cables.ts';
import { Host } from './virtual/host.ts';
import { SeededNumbers } from './virtual/seeded-numbers.ts';
import type { SocketWorld } from './virtual/sockets.ts';
import { VirtualTime } from './virtual/virtual-time.ts';

const FIRST_FREE_PORT = 20_000;
const NOTED_AT_ONCE = 16_384;

/** What every part of one world shares: its seed, time, network, disks and story. */
export class World implements SocketWorld {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly cables: Cables;
  readonly servers: SocketWorld['servers'] = new Map();
  /** Decides what happens in the world. */
  readonly fate: SeededNumbers;
  /** The random numbers of the program: keys, identifiers, jitter. */
  readonly chance: SeededNumbers;
  readonly hubDisk: HubDisk = emptyDisk();
  readonly hubAccounts = new Map<string, Account>();
  readonly database: PGlite;
  /** Errors that would have ended a process. */
  readonly crashes: string[] = [];
  /** Messages that were sealed with a key and a number that another message has. */
  readonly repeatedSeals: string[] = [];
  readonly #hosts = new Map<string, Host>();
  readonly #story: Story;
  readonly #trace = createHash('sha256');
  /** What was noted and is not in the hash yet, which takes long texts better than short ones. */
  #noted = '';
  #nextPort = FIRST_FREE_PORT;

  constructor({ seed, database, story }: { seed: number; database: PGlite; story: Story }) {
    this.seed = seed;
    this.database = database;
    this.#story = story;
    this.fate = new SeededNumbers(seed, 'fate');
    this.chance = new SeededNumbers(seed, 'chance');
    this.cables = new Cables(new SeededNumbers(seed, 'cables'));
    this.time = new VirtualTime((host, error) => this.crashed(host, error));
  }

  tell(who: string, text: string): void {
    this.note(`${who} ${text}`);
    this.#story(this.time.now, who, text);
  }

  /** Adds something that happened to the fingerprint of this world. */
  note(text: string): void {
    this.#noted += `${this.time.now} ${text}\n`;
    if (this.#noted.length >= NOTED_AT_ONCE) this.#addToTrace();
  }

  #addToTrace(): void {
    this.#trace.update(this.#noted);
    this.#noted = '';
  }

  /** Equal for two runs in which the same things happened at the same times. */
  fingerprint(): string {
    this.#addToTrace();
    return this.#trace.copy().digest('hex');
  }

  freePort(): number {
    return this.#nextPort++;
  }

  crashed(host: Host | undefined, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const who = host?.name ?? 'the world';
    this.crashes.push(`${who}: ${text}`);
    this.tell(who, `would have crashed: ${text}`);
  }

  /** A new process, which replaces one of the same name that was killed. */
  host(name: string, address: string): Host {
    const host = new Host(name, address);
    this.#hosts.set(name, host);
    return host;
  }

  hostOf(name: string): Host | undefined {
    return this.#hosts.get(name);
  }

  /** Ends everything, so that nothing of this world runs beside the next one. */
  end(): void {
    for (const host of this.#hosts.values()) host.kill();
  }
}

/** Receives what happened: the time in milliseconds, who did it, and what it was. */
export type Story = (at: number, who: string, text: string) => void;
