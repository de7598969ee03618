import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  type Cancel,
  CodecError,
  type ContentDigest,
  ContentHash,
  EncodingRequest,
  type Flow,
  InferenceRequest,
  type JobOrder,
  type JobSeals,
  MAX_DETAIL_CHARACTERS,
  type Out,
  type Receipt,
  type Refusal,
  RefusalDetail,
  type RelayRecipient,
  type Slot,
  SUITE_ID,
} from '#bus-schemas';
import { type Engine, RequestRefused } from '../engine/engine.ts';
import { errorPlace } from '../error-place.ts';
import { admit, BUSY_RETRY_MS } from './admission.ts';
import type { AttemptTrace } from './attempt-trace.ts';
import type { SealedFrame } from './frame-sender.ts';
import { ProviderJob, type ProviderJobOptions } from './provider-job.ts';
import type { SigningRequest } from './receipt-signer.ts';
import { RequestAssembly } from './request-assembly.ts';
import { continuationIn, type OrderedWork } from './start-work.ts';

export interface JobDeskOptions {
  readonly engine: Engine;
  /** The slots by which orders are admitted. */
  readonly slots: () => readonly Slot[];
  /** Keys that a request may be sealed for, the current one first. */
  readonly recipients: () => readonly RelayRecipient[];
  readonly sendFrame: (order: JobOrder, frame: SealedFrame) => void;
  readonly sendReply: (ingress: string, job: string, reply: Out) => void;
  readonly sign: (request: SigningRequest) => void;
  /** `durationMs` is the time since the attempt was accepted. */
  readonly onReceipt: (receipt: Receipt, durationMs: number) => void;
  /**
   * Begins the trace of an attempt, whose order may name a trace in its header; undefined if
   * OpenTelemetry is off.
   */
  readonly traceOf?: ((order: JobOrder, header: string | undefined) => AttemptTrace) | undefined;
  readonly log: Logger;
  readonly clock: () => number;
}

type Opened = Pick<ProviderJobOptions, 'seals' | 'request' | 'receiptSalt' | 'requestHash'>;
type Refused = Pick<Extract<Out, { t: 'refuse' }>, 'reason' | 'retryAfterMs' | 'about' | 'detail'>;
type OrderReply = { readonly t: 'accept' } | ({ readonly t: 'refuse' } & Refused);

const UNKNOWN_JOB: OrderReply = { t: 'refuse', reason: 'unknown_job' };
/** Bytes of a request that are hashed in one turn of the event loop. */
const HASHED_AT_ONCE = 1024 * 1024;
const MAX_ASSEMBLIES = 64;
const ASSEMBLY_MS = 30_000;
/**
 * Maximum number of tombstones. The oldest is dropped first, so that each lasts for the next 20,000
 * jobs. If the least recently used one were dropped, an attacker who repeats some orders could
 * shorten that time for all others, and have them run a second time.
 */
const MAX_TOMBSTONES = 20_000;

/**
 * Receives orders. Job id and attempt identify a run, which happens once, however often it is
 * ordered.
 *
 *   parts arrive → complete → accepted → runs → every frame acknowledged → tombstone
 *        ↘ cancelled or refused → tombstone   ↘ ingress silent → tombstone
 *
 * Invariant: a run with a tombstone is never started. A repeated order gets the same answer as
 * before, so an attacker who repeats orders causes no second run.
 */
export class JobDesk {
  readonly #options: JobDeskOptions;
  readonly #assemblies = new Map<string, { assembly: RequestAssembly; since: number }>();
  readonly #jobs = new Map<string, ProviderJob>();
  readonly #tombstones = new Map<string, OrderReply>();
  #draining = false;

  constructor(options: JobDeskOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#jobs.size;
  }

  /** The ids of the jobs for which a build still generates. */
  generating(build: string): string[] {
    return [...this.#jobs.values()]
      .filter((run) => run.isGenerating && run.order.build === build)
      .map(({ order }) => order.job);
  }

  setDraining(draining: boolean): void {
    this.#draining = draining;
  }

  order(order: JobOrder, traceHeader?: string): void {
    const name = nameOf(order);
    const before = this.#jobs.has(name) ? ({ t: 'accept' } as const) : this.#tombstones.get(name);
    if (before !== undefined) return this.#answer(order, before);
    const assembly = this.#assemblyOf(order, name);
    if (assembly === undefined)
      return this.#refuse(order, { reason: 'queue_full', retryAfterMs: BUSY_RETRY_MS });
    if (!assembly.add(order)) return this.#refuse(order, { reason: 'invalid_request' });
    if (!assembly.isWhole) return;
    this.#assemblies.delete(name);
    const trace = this.#options.traceOf?.(order, traceHeader);
    void this.#start(assembly, trace).catch((error: unknown) => {
      // An uncaught exception would end the process: one hostile request could end all other jobs.
      this.#options.log.error(
        { job: order.job, err: errorPlace(error) },
        'a job could not be started',
      );
      this.#refuse(order, { reason: 'model_not_loaded' });
    });
  }

  flow({ ingress, jobs }: Flow): void {
    for (const flow of jobs) {
      const name = nameOf(flow);
      const run = this.#jobs.get(name);
      if (run !== undefined) {
        run.flow(flow, this.#options.clock());
        if (run.isDone) this.#close(name);
        // The ingress has heard nothing for a while; perhaps the engine is only slow.
        else if (flow.resend) this.#accept(run);
        continue;
      }
      // The job was accepted before this provider restarted, or it ended because its ingress was
      // silent. Tell the ingress at once, so that it can try another provider.
      const reply = this.#tombstones.get(name) ?? UNKNOWN_JOB;
      if (reply.t === 'refuse') this.#answer({ ingress, ...flow }, reply);
    }
  }

  cancel(cancel: Cancel): void {
    const name = nameOf(cancel);
    this.#assemblies.delete(name);
    const run = this.#jobs.get(name);
    if (run === undefined) this.#addTombstone(name, { t: 'accept' });
    else run.cancel();
  }

  cancelAll(): void {
    for (const run of this.#jobs.values()) run.cancel();
  }

  tick(): void {
    const now = this.#options.clock();
    for (const [name, run] of this.#jobs) {
      if (!run.hasAnswered) this.#accept(run);
      if (run.tick(now)) continue;
      this.#options.log.warn(
        { job: run.order.job },
        'the ingress of this job is silent; the job ends',
      );
      run.abandon();
      this.#jobs.delete(name);
      this.#addTombstone(name, UNKNOWN_JOB);
    }
    for (const [name, { since }] of this.#assemblies)
      if (now - since > ASSEMBLY_MS) this.#assemblies.delete(name);
  }

  #assemblyOf(order: JobOrder, name: string): RequestAssembly | undefined {
    const known = this.#assemblies.get(name);
    if (known !== undefined) return known.assembly;
    if (this.#assemblies.size >= MAX_ASSEMBLIES) return undefined;
    const assembly = new RequestAssembly(order);
    this.#assemblies.set(name, { assembly, since: this.#options.clock() });
    return assembly;
  }

  async #start(assembly: RequestAssembly, trace: AttemptTrace | undefined): Promise<void> {
    const { order } = assembly;
    const { engine, slots, recipients, clock, sign, onReceipt, sendFrame } = this.#options;
    const refuse = (refused: Refused) => {
      trace?.refused(refused.reason);
      this.#refuse(order, refused);
    };
    if (order.suite !== SUITE_ID) return refuse({ reason: 'unsupported_suite' });
    const slot = slots().find(({ build }) => build === order.build);
    const admission = admit(order, slot, {
      draining: this.#draining,
      admitted: this.generating(order.build).length,
    });
    if (!admission.ok) return refuse(admission);
    const opened = await this.#open(assembly, recipients());
    if ('reason' in opened) return refuse(opened);
    const name = nameOf(order);
    // The job was cancelled, or a copy of the order started it, while the request was opened.
    if (this.#jobs.has(name) || this.#tombstones.has(name)) return;
    const startedAt = clock();
    const options = {
      ...opened,
      order,
      engine,
      sign,
      onEnd: (receipt: Receipt) => {
        trace?.ended(receipt);
        onReceipt(receipt, clock() - startedAt);
      },
      onRefused: (refusal: RequestRefused) => {
        this.#jobs.delete(name);
        refuse(refusedWith(refusal, opened.seals));
      },
      sendFrame: (frame: SealedFrame) => {
        trace?.firstContent();
        sendFrame(order, frame);
      },
    };
    try {
      this.#jobs.set(name, new ProviderJob(options, clock));
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      refuse(refusedWith(error, opened.seals));
    }
  }

  async #open(
    assembly: RequestAssembly,
    [recipient, ...others]: readonly RelayRecipient[],
  ): Promise<Opened | { reason: Refusal }> {
    if (recipient === undefined) return { reason: 'unsealable' };
    try {
      const seals = await recipient.sealsFor(assembly.order);
      const plain = await assembly.open((part, sealed) => seals.openRequest(part, sealed));
      const request = decoded(assembly.order, plain);
      // In blind mode the coordinator writes the order and the client seals the request: a
      // coordinator could order a cheaper model.
      if (request.build !== undefined && request.build !== assembly.order.build)
        return { reason: 'invalid_request' };
      // A copy, because the bytes of a decoded message are a part of `plain`.
      const receiptSalt = Uint8Array.from(
        continuationIn(request)?.receiptSalt ?? seals.receiptSalt(),
      );
      const requestHash = await hashOf(plain, receiptSalt);
      const opened = { seals, request, receiptSalt, requestHash };
      // Erase this copy of the prompt; only the decoded request, which the engine uses, remains.
      plain.fill(0);
      return opened;
    } catch (error) {
      return error instanceof CodecError
        ? { reason: 'invalid_request' }
        : this.#open(assembly, others);
    }
  }

  #refuse(order: JobOrder, refused: Refused): void {
    const reply: OrderReply = { t: 'refuse', ...refused };
    this.#addTombstone(nameOf(order), reply);
    this.#answer(order, reply);
  }

  #answer(
    { ingress, job, attempt }: Pick<JobOrder, 'ingress' | 'job' | 'attempt'>,
    reply: OrderReply,
  ): void {
    this.#options.sendReply(ingress, job, { ...reply, attempt });
  }

  /** Tells the ingress that the job was accepted; not needed after a frame, which implies it. */
  #accept(run: ProviderJob): void {
    run.markAnswered();
    this.#answer(run.order, { t: 'accept' });
  }

  #close(name: string): void {
    this.#jobs.get(name)?.[Symbol.dispose]();
    this.#jobs.delete(name);
    this.#addTombstone(name, { t: 'accept' });
  }

  #addTombstone(name: string, reply: OrderReply): void {
    this.#tombstones.set(name, reply);
    if (this.#tombstones.size <= MAX_TOMBSTONES) return;
    const [oldest] = this.#tombstones.keys();
    if (oldest !== undefined) this.#tombstones.delete(oldest);
  }
}

/**
 * A refusal by the engine. Its text may quote the request, which a hub must not be able to read, so
 * it is sealed as frame 0. This attempt sends no other frame 0, so no nonce is used twice.
 */
function refusedWith({ code, about, detail }: RequestRefused, seals: JobSeals): Refused {
  const message = detail?.slice(0, MAX_DETAIL_CHARACTERS).toWellFormed();
  const sealed = message && seals.sealResponse(0, RefusalDetail.encode({ message }));
  seals[Symbol.dispose]();
  return { reason: code, ...(about && { about }), ...(sealed && { detail: sealed }) };
}

/** The hash of a request, of which each turn of the event loop hashes a piece. */
async function hashOf(plain: Uint8Array, salt: Uint8Array): Promise<ContentDigest> {
  const hash = new ContentHash(salt);
  for (let at = 0; at < plain.length; at += HASHED_AT_ONCE) {
    if (at > 0) await setImmediate();
    hash.update(plain.subarray(at, at + HASHED_AT_ONCE));
  }
  return hash.digest();
}

/** The request of an order. Throws CodecError if it is not of the kind that the order names. */
function decoded({ encoding }: JobOrder, plain: Uint8Array): OrderedWork {
  if (encoding === undefined) return InferenceRequest.decode(plain);
  const request = EncodingRequest.decode(plain);
  if (request.task.k !== encoding)
    throw new CodecError('schema_mismatch', 'encoding-request', `not a request for ${encoding}`);
  return request;
}

const nameOf = ({ job, attempt }: { job: string; attempt: number }) => `${job} ${attempt}`;
