import { setTimeout as delay } from 'node:timers/promises';
import { type BATCH_ENDS, type BatchRecord, newJobId, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { callUntil } from '../call-until.ts';
import type { JobCaller } from '../http/job-admission.ts';
import type { KeyCaller } from '../identity/key-cache.ts';
import { StoredContents } from '../stored/stored-contents.ts';
import { writeResults } from '../stored/stored-files.ts';
import type { BatchDialect, LineRequest, Unrun } from './batch-dialect.ts';
import type { BatchFigures } from './batch-figures.ts';
import { type BatchInput, type BatchProblem, readInput } from './batch-input.ts';
import type { BatchKeys } from './batch-keys.ts';
import { type BatchLease, type LineOutcome, RENEW_MS } from './batch-lease.ts';
import { BatchCipher, type BatchRequest, dialectOf } from './batch-record.ts';
import { fitsInMessage, type LineJobDeps, LineRetries, runLine } from './line-job.ts';

/** Lines of one batch that run at the same time. */
const PARALLEL_LINES = 8;
/**
 * A batch of which no line ended for this long gives its place on the ingress to another one, in
 * milliseconds: its machines may be away for hours.
 */
const IDLE_MS = 300_000;
/** An account with less room than this starts no further line, in bytes. */
const LEAST_ROOM_BYTES = 8 * 1_024 * 1_024;
const CALL = { eachMs: 3_000, totalMs: 9_000 };

export interface BatchRunDeps extends LineJobDeps {
  readonly bus: Bus;
  readonly figures: BatchFigures;
}

interface RunOptions {
  readonly lease: BatchLease;
  readonly record: BatchRecord;
  readonly keys: BatchKeys;
  readonly isDone: (line: number) => boolean;
}

/**
 * Why no further line starts. After `lost` and `stopped` another ingress goes on; after the others
 * the results so far become files.
 */
type Halt = Unrun | 'lost' | 'stopped';
const isHandedOver = (halt: Halt | undefined): boolean => halt === 'lost' || halt === 'stopped';

/**
 * Runs one batch on this ingress: checks its file, runs its lines, and writes the files of its
 * results. Each result is stored before its job is charged, and only while this ingress has the
 * lease. So a line is charged once, and another ingress can go on after any of them.
 */
export class BatchRun {
  readonly #deps: BatchRunDeps;
  readonly #lease: BatchLease;
  readonly #record: BatchRecord;
  readonly #isDone: (line: number) => boolean;
  readonly #keys: BatchKeys;
  readonly #cipher: BatchCipher;
  readonly #contents: StoredContents;
  readonly #request: BatchRequest;
  readonly #dialect: BatchDialect;
  readonly #doneHere = new Set<number>();
  readonly #halted = new AbortController();
  #progressAt: number;
  #halt: Halt | undefined;
  #caller: JobCaller | undefined;

  constructor({ lease, record, keys, isDone }: RunOptions, deps: BatchRunDeps) {
    this.#deps = deps;
    this.#progressAt = deps.now();
    this.#lease = lease;
    this.#record = record;
    this.#isDone = isDone;
    this.#keys = keys;
    this.#cipher = new BatchCipher(keys, record.id);
    this.#contents = new StoredContents(deps, keys);
    this.#request = this.#cipher.open(record).request;
    this.#dialect = dialectOf(this.#request);
  }

  get id(): string {
    return this.#lease.id;
  }

  /** Starts no further line. The lines that run go on, and then another ingress takes the batch. */
  stop(): void {
    this.#haltFor('stopped');
  }

  /** Renews the lease, and reads whether the batch was cancelled and its API key revoked. */
  async renew(): Promise<void> {
    try {
      if (this.#deps.now() >= this.#record.expiresAt) this.#haltFor('batch_expired');
      await this.#readCaller();
      const renewed = await this.#lease.renew();
      if (renewed === undefined) return this.#haltFor('lost');
      if (renewed.status === 'cancelling') this.#haltFor('batch_cancelled');
      if (renewed.roomBytes < LEAST_ROOM_BYTES) this.#haltFor('storage_full');
      if (this.#deps.now() - this.#progressAt >= IDLE_MS) this.stop();
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.#deps.log.warn({ batch: this.id, err: error }, 'the lease of a batch was not renewed');
    }
  }

  async run(): Promise<void> {
    const renewal = setInterval(() => void this.renew(), RENEW_MS);
    try {
      await this.renew();
      await this.#runAll();
    } finally {
      clearInterval(renewal);
    }
    if (this.#halt === 'stopped') await this.#lease.release(false);
  }

  async #runAll(): Promise<void> {
    let input: BatchInput | undefined;
    try {
      input = await readInput(this.#contents, this.#request.input, this.#dialect);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'not_found') throw error;
      return this.#finish(undefined, [missingFile]);
    }
    const problems = this.#record.lines > 0 ? [] : await input.problems();
    if (problems.length > 0) return this.#finish(undefined, problems);
    const begun = await this.#lease.renew({ lines: input.size });
    if (begun === undefined) return;
    if (begun.status !== 'finalizing') await this.#runLines(input);
    if (!isHandedOver(this.#halt)) await this.#finish(input, []);
  }

  async #runLines(input: BatchInput): Promise<void> {
    let next = 0;
    const take = (): number | undefined => {
      while (next < input.size && this.#isDone(next)) next += 1;
      next += 1;
      return next > input.size ? undefined : next - 1;
    };
    const work = async () => {
      for (let line = take(); line !== undefined && !this.#isHalted(); line = take())
        await this.#runLine(input.request(line), line);
    };
    await Promise.all(Array.from({ length: PARALLEL_LINES }, work));
  }

  /** Runs a line until its result is stored, or until no further line may start. */
  async #runLine(request: LineRequest, line: number): Promise<void> {
    const retries = new LineRetries();
    while (!this.#isHalted()) {
      const error = await this.#attempt(request, line);
      if (error === undefined) return;
      const pauseMs = retries.pauseAfter(error);
      if (pauseMs === undefined) {
        const job = newJobId();
        const ids = { batch: this.id, line, job };
        const result = this.#dialect.failed(request, error, ids);
        if (await this.#store('error', result, ids)) return;
      } else {
        this.#deps.figures.lineDelayed(error.code);
        await this.#pause(pauseMs);
      }
    }
  }

  /** Returns the error of a line whose answer was not stored, which was not charged. */
  async #attempt(request: LineRequest, line: number): Promise<ApiError | undefined> {
    const caller = this.#caller;
    if (caller === undefined) return new ApiError('service_unavailable');
    // Lines of batches wait for all other requests.
    if (this.#deps.admission.size > 0) return new ApiError('overloaded');
    let refusal: ApiError | undefined;
    const error = await runLine(
      {
        request,
        caller,
        scopeSecret: this.#cipher.scopeSecret,
        keep: async (answer, job) => {
          const ids = { batch: this.id, line, job };
          const result = this.#dialect.answered(request, answer, ids);
          if (fitsInMessage(result)) return this.#store('output', result, ids);
          refusal = tooLarge;
          return false;
        },
      },
      this.#deps,
    );
    return refusal ?? error;
  }

  /** Returns false if the result could not be stored. Never rejects. */
  async #store(
    outcome: LineOutcome,
    result: object,
    { line, job }: { line: number; job: string },
  ): Promise<boolean> {
    try {
      const sealed = this.#cipher.sealResult(line, result);
      const isStored = await this.#lease.put({ line, job, outcome, sealed });
      if (!isStored) this.#haltFor('lost');
      else {
        this.#doneHere.add(line);
        this.#progressAt = this.#deps.now();
        this.#deps.figures.lineStored(outcome);
      }
      return isStored;
    } catch (error) {
      this.#deps.log.warn({ batch: this.id, err: error }, 'the result of a line was not stored');
      return false;
    }
  }

  /** Writes the results as files, and ends the batch. `input` is absent if it cannot be read. */
  async #finish(input: BatchInput | undefined, problems: readonly BatchProblem[]): Promise<void> {
    const renewed = await this.#lease.renew({ isFinalizing: true });
    if (renewed === undefined) return;
    const status = endOf(this.#halt, problems);
    const unrun = input === undefined ? [] : this.#unrun(input);
    const hasOutputFile = await this.#write('output', []);
    const hasErrorFile = await this.#write('error', unrun);
    const reported = this.#halt === 'invalid_api_key' ? [revokedKey] : problems;
    const end = renewed.status === 'cancelling' ? 'cancelled' : status;
    const isEnded = await this.#lease.end({
      status: end,
      hasOutputFile,
      hasErrorFile,
      ...(reported.length > 0 && { errors: this.#cipher.sealProblems(reported) }),
    });
    if (isEnded) this.#deps.figures.ended(end);
  }

  #unrun(input: BatchInput): object[] {
    const reason = this.#halt;
    if (reason === undefined || reason === 'lost' || reason === 'stopped') return [];
    const lines = Array.from({ length: input.size }, (_, line) => line);
    return lines
      .filter((line) => !this.#isDone(line) && !this.#doneHere.has(line))
      .map((line) => this.#dialect.unrun(input.request(line), reason, { batch: this.id, line }));
  }

  /** Returns false if there is nothing to write. */
  async #write(outcome: LineOutcome, more: readonly object[]): Promise<boolean> {
    const { output, errors, resultsMs } = this.#request;
    const cipher = this.#cipher;
    const results = this.#lease.results(outcome);
    const first = await results.next();
    if (first.done === true && more.length === 0) return false;
    const pieces = async function* () {
      if (first.done !== true) yield textOf(cipher, first.value);
      for await (const result of results) yield textOf(cipher, result);
      for (const result of more) yield Buffer.from(`${JSON.stringify(result)}\n`);
    };
    const file = {
      id: outcome === 'output' ? output : errors,
      filename: `${this.id}_${outcome}.jsonl`,
      lifetimeMs: resultsMs,
      isListed: this.#dialect.listsFiles,
    };
    await writeResults(this.#contents, file, pieces(), this.#deps.now());
    return true;
  }

  async #readCaller(): Promise<void> {
    const { keyHash } = this.#keys;
    const known = await callUntil(
      this.#deps.bus,
      services.accounts.authenticate,
      { keyHash },
      CALL,
    );
    if (known.ok) this.#caller = callerOf(known);
    else this.#haltFor('invalid_api_key');
  }

  #isHalted(): boolean {
    return this.#halt !== undefined;
  }

  /** A lost lease is stronger than every other reason: this ingress must not end the batch. */
  #haltFor(halt: Halt): void {
    if (this.#halt === undefined || halt === 'lost') this.#halt = halt;
    this.#halted.abort();
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#halted;
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }
}

const textOf = (
  cipher: BatchCipher,
  { line, sealed }: { line: number; sealed: Uint8Array },
): Buffer => Buffer.concat([cipher.openResult(line, sealed), Buffer.from('\n')]);

const callerOf = (key: KeyCaller): JobCaller => ({
  key,
  route: undefined,
  explains: false,
  isBatchLine: true,
});

function endOf(
  halt: Halt | undefined,
  problems: readonly BatchProblem[],
): (typeof BATCH_ENDS)[number] {
  if (problems.length > 0) return 'failed';
  switch (halt) {
    case 'batch_cancelled':
      return 'cancelled';
    case 'batch_expired':
      return 'expired';
    case 'invalid_api_key':
      return 'failed';
    default:
      return 'completed';
  }
}

const tooLarge = new ApiError(
  'payload_too_large',
  'The answer is larger than 480 KiB, which is more than a batch stores. It was not charged. Send the request outside a batch.',
);
const missingFile: BatchProblem = {
  code: 'input_file_not_found',
  message: 'The input file was deleted, or has expired.',
  param: 'input_file_id',
  line: null,
};
const revokedKey: BatchProblem = {
  code: 'invalid_api_key',
  message: 'The API key of the batch was revoked or replaced, or its account was suspended.',
  param: null,
  line: null,
};
