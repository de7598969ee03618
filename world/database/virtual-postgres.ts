import { createServer, type Socket } from 'node:net';
import type { PGlite } from '@electric-sql/pglite';
import { type Host, runOn } from '../virtual/host.ts';
import type { SeededNumbers } from '../virtual/seeded-numbers.ts';
import type { VirtualTime } from '../virtual/virtual-time.ts';
import { type FrontendMessage, ownPrefix, takeMessages, withOwnName } from './session-names.ts';

export const POSTGRES_PORT = 5432;
/** Time that a statement takes, in milliseconds. */
const FASTEST_MS = 0.1;
const USUAL_MOST_MS = 1;
const SLOW_SHARE = 0.003;
const SLOW_MOST_MS = 150;

const STARTUP = 196_608;
const SSL_REQUEST = 80_877_103;
const STARTUP_HEADER_BYTES = 8;
/** The last byte of an answer: the session is idle, in a transaction, or in a failed one. */
const IDLE = 'I';
/** The first byte of the answer to a statement that failed. */
const ERROR = 'E'.charCodeAt(0);
/** After these messages the client waits for an answer. */
const ENDS_A_REQUEST = new Set(['S', 'Q']);
const TERMINATE = 'X';

interface Request {
  readonly bytes: Buffer;
  readonly session: Session;
}

interface Session {
  readonly id: number;
  readonly socket: Socket;
  role: string;
  isOpen: boolean;
}

/**
 * Postgres for a world: PGlite, which is Postgres as WebAssembly, behind its wire protocol on the
 * simulated network. It has one session, so transactions run one after the other; a connection
 * that has begun one owns the database until its end.
 */
export class VirtualPostgres {
  readonly #database: PGlite;
  readonly #time: VirtualTime;
  readonly #random: SeededNumbers;
  readonly #host: Host;
  readonly #waiting: Request[] = [];
  #owner: Session | undefined;
  #role = '';
  #isBusy = true;
  #sessions = 0;

  private constructor(
    host: Host,
    { database, time, random }: { database: PGlite; time: VirtualTime; random: SeededNumbers },
  ) {
    this.#host = host;
    this.#database = database;
    this.#time = time;
    this.#random = random;
    void this.#forgetSessions();
    createServer((socket) => this.#serve(socket)).listen(POSTGRES_PORT, host.address);
  }

  static start(
    host: Host,
    parts: { database: PGlite; time: VirtualTime; random: SeededNumbers },
  ): VirtualPostgres {
    return runOn(host, () => new VirtualPostgres(host, parts));
  }

  /** What the Postgres before it, which was killed, had open in the one session of the database. */
  async #forgetSessions(): Promise<void> {
    await this.#database.exec('ROLLBACK; DEALLOCATE ALL; RESET ROLE');
    this.#role = 'none';
    this.#isBusy = false;
    this.#time.plan(0, () => this.#next(), this.#host);
  }

  #serve(socket: Socket): void {
    this.#sessions += 1;
    const session: Session = { id: this.#sessions, socket, role: 'none', isOpen: true };
    let bytes: Buffer = Buffer.alloc(0);
    let hasStarted = false;
    let collected: FrontendMessage[] = [];
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!hasStarted) {
        if (bytes.length < STARTUP_HEADER_BYTES || bytes.length < bytes.readInt32BE(0)) return;
        const first = bytes.subarray(0, bytes.readInt32BE(0));
        bytes = bytes.subarray(first.length);
        if (first.readInt32BE(4) === SSL_REQUEST) return void socket.write('N');
        if (first.readInt32BE(4) !== STARTUP) return void socket.destroy();
        hasStarted = true;
        session.role = roleIn(first);
        this.#ask({ session, bytes: Buffer.from(first) });
      }
      const { messages, rest } = takeMessages(bytes);
      bytes = rest;
      for (const message of messages) {
        if (message.type === TERMINATE) return void socket.end();
        collected.push(message);
        if (!ENDS_A_REQUEST.has(message.type)) continue;
        const named = collected.map((one) => withOwnName(one, session.id));
        collected = [];
        this.#ask({ session, bytes: Buffer.concat(named) });
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      session.isOpen = false;
      this.#waiting.push({ session, bytes: Buffer.alloc(0) });
      this.#next();
    });
  }

  #ask(request: Request): void {
    const most = this.#random.chance(SLOW_SHARE) ? SLOW_MOST_MS : USUAL_MOST_MS;
    this.#time.plan(this.#random.between(FASTEST_MS, most), () => {
      this.#waiting.push(request);
      this.#next();
    });
  }

  /** Runs the next request that may run: one of the owner of the transaction, or the first. */
  #next(): void {
    if (this.#isBusy) return;
    const owner = this.#owner;
    const place = this.#waiting.findIndex(
      ({ session }) => owner === undefined || session === owner,
    );
    const [request] = place === -1 ? [] : this.#waiting.splice(place, 1);
    if (request === undefined) return;
    this.#isBusy = true;
    void this.#run(request).finally(() => {
      this.#isBusy = false;
      this.#time.plan(0, () => this.#next(), this.#host);
    });
  }

  async #run({ session, bytes }: Request): Promise<void> {
    if (bytes.length === 0) return this.#end(session);
    if (!session.isOpen) return;
    if (this.#role !== session.role) {
      this.#role = session.role;
      const answer = await this.#answerTo(query(`SET ROLE ${session.role}`));
      if (answer[0] === ERROR) throw new Error(`the role ${session.role} could not be set`);
    }
    const answer = await this.#answerTo(bytes);
    this.#owner = String.fromCharCode(answer.at(-1) ?? 0) === IDLE ? undefined : session;
    if (!session.socket.destroyed) session.socket.write(answer);
  }

  /** The bytes of an answer as they are: PGlite's other calls also read each message in it, and keep it. */
  async #answerTo(bytes: Buffer): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    await this.#database.execProtocolRawStream(bytes, {
      syncToFs: false,
      // The bytes are in memory that Postgres uses again.
      onRawData: (part) => parts.push(part.slice()),
    });
    return Buffer.concat(parts);
  }

  /** A connection has ended: its transaction is undone, and its statements are forgotten. */
  async #end(session: Session): Promise<void> {
    if (this.#owner === session) {
      await this.#database.exec('ROLLBACK');
      this.#owner = undefined;
    }
    const { rows } = await this.#database.query<{ name: string }>(
      'SELECT name FROM pg_prepared_statements WHERE starts_with(name, $1)',
      [ownPrefix(session.id)],
    );
    if (rows.length > 0)
      await this.#database.exec(rows.map(({ name }) => `DEALLOCATE "${name}"`).join(';'));
  }
}

/** The bytes of a statement without parameters. */
function query(text: string): Buffer {
  const bytes = Buffer.from(`Q    ${text}\0`);
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
}

/** The role that the client demands in its first message; `none` is the owner of the database. */
function roleIn(startup: Buffer): string {
  return /role=([a-z_]+)/.exec(startup.toString('latin1'))?.[1] ?? 'none';
}
