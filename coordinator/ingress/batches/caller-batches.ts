import {
  type BatchRecord,
  isBatchId,
  MAX_BATCH_BYTES,
  MAX_BATCH_PAGE,
  services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { invalid } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { answerOf } from '../call-until.ts';
import { callerKeys } from '../caller-cipher.ts';
import { LIFETIME_MS, listPurpose } from '../stored/stored-contents.ts';
import { newFileId } from '../stored/stored-files.ts';
import { sealBatchKeys } from './batch-keys.ts';
import {
  BatchCipher,
  type BatchKind,
  type BatchRequest,
  newBatchId,
  type OpenedBatch,
} from './batch-record.ts';

const DAY_MS = 86_400_000;
const CALL = { eachMs: 3_000, totalMs: 6_000 };

interface Owner {
  readonly account: string;
  /** The caller's API key. */
  readonly secret: string;
}

interface Deps {
  readonly bus: Bus;
  /** Seals the keys of batches for all ingresses. */
  readonly ingressKey: Buffer;
}

interface BatchPage {
  readonly after?: string | undefined;
  /** Excludes `after`. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Batches in OpenAI's format. */
export const OPENAI_BATCHES: BatchKind = { idPrefix: 'batch', listedAs: 'batches' };
/** Batches in Anthropic's format. */
export const MESSAGE_BATCHES: BatchKind = {
  idPrefix: 'msgbatch',
  listedAs: 'message batches',
};

/** The batches of one API key in the format of one API. */
export class CallerBatches {
  readonly #bus: Bus;
  readonly #ingressKey: Buffer;
  readonly #owner: Owner;
  readonly #kind: BatchKind;

  constructor({ bus, ingressKey }: Deps, owner: Owner, kind: BatchKind) {
    this.#bus = bus;
    this.#ingressKey = ingressKey;
    this.#owner = owner;
    this.#kind = kind;
  }

  async create(
    wanted: Pick<BatchRequest, 'endpoint' | 'input' | 'resultsMs' | 'metadata' | 'requests'>,
  ): Promise<OpenedBatch> {
    const id = newBatchId(this.#kind);
    const request = { ...wanted, output: newFileId(), errors: newFileId() };
    const sealed = this.#cipherOf(id).sealRequest(request);
    if (sealed.length > MAX_BATCH_BYTES)
      throw invalid('metadata', 'The metadata of a batch has at most 5 KiB.');
    const created = await answerOf(
      this.#bus,
      services.accounts.createBatch,
      {
        account: this.#owner.account,
        id,
        listTag: this.#listTag,
        sealed,
        keys: this.#sealedKeys(id, request),
        runMs: DAY_MS,
        keepMs: LIFETIME_MS,
      },
      CALL,
    );
    if (!created.ok) throw refusalError(accountRefusals.createBatch[created.code]);
    return this.#open(created.batch);
  }

  /** Reads a batch, and gives the ingresses its keys again if they can no longer open them. */
  async read(id: string): Promise<OpenedBatch> {
    const opened = this.#open(await this.#found(services.accounts.readBatch, id));
    if (opened.record.waitsForKeys) {
      const keys = this.#sealedKeys(id, opened.request);
      await answerOf(this.#bus, services.accounts.grantBatch, { ...this.#named(id), keys }, CALL);
    }
    return opened;
  }

  async cancel(id: string): Promise<OpenedBatch> {
    // A batch of another API key cannot be opened, and must not be cancelled.
    await this.read(id);
    return this.#open(await this.#found(services.accounts.cancelBatch, id));
  }

  /** Deletes a batch that has ended, and returns it. */
  async delete(id: string): Promise<OpenedBatch> {
    const batch = await this.read(id);
    const { isDeleted } = await answerOf(
      this.#bus,
      services.accounts.deleteBatch,
      this.#named(id),
      CALL,
    );
    if (!isDeleted)
      throw new ApiError(
        'conflict',
        'This batch has not ended yet. Cancel it, and delete it then.',
      );
    return batch;
  }

  /** The newest batches first, or those directly after or before a given one in this order. */
  async list({ after, before, limit }: BatchPage) {
    const batches: OpenedBatch[] = [];
    for (let cursor = before ?? after; ; ) {
      const listed = await answerOf(
        this.#bus,
        services.accounts.listBatches,
        {
          account: this.#owner.account,
          listTag: this.#listTag,
          limit: Math.min(limit - batches.length, MAX_BATCH_PAGE),
          ...(cursor !== undefined && { [before === undefined ? 'after' : 'before']: cursor }),
        },
        CALL,
      );
      const opened = listed.batches.map((record) => this.#open(record));
      if (before === undefined) batches.push(...opened);
      else batches.unshift(...opened);
      cursor = batches.at(before === undefined ? -1 : 0)?.record.id;
      if (!listed.hasMore || batches.length >= limit) return { batches, hasMore: listed.hasMore };
    }
  }

  async #found(method: typeof services.accounts.readBatch, id: string): Promise<BatchRecord> {
    if (!isBatchId(id) || !id.startsWith(`${this.#kind.idPrefix}_`))
      throw refusalError(accountRefusals.readBatch.unknown);
    const found = await answerOf(this.#bus, method, this.#named(id), CALL);
    if (!found.ok) throw refusalError(accountRefusals.readBatch[found.code]);
    return found.batch;
  }

  #open(record: BatchRecord): OpenedBatch {
    try {
      return this.#cipherOf(record.id).open(record);
    } catch (cause) {
      throw refusalError(accountRefusals.readBatch.unknown, { cause });
    }
  }

  #cipherOf(id: string): BatchCipher {
    return new BatchCipher(callerKeys(this.#owner), id);
  }

  #sealedKeys(batch: string, { input, output, errors }: BatchRequest): Buffer {
    return sealBatchKeys(this.#owner, { batch, input, output, errors }, this.#ingressKey);
  }

  get #listTag(): Buffer {
    return callerKeys(this.#owner).keyOf(listPurpose(this.#kind.listedAs));
  }

  #named(id: string) {
    return { account: this.#owner.account, id };
  }
}
