import type { Model } from '../models/model.ts';
import { type Backend, unitBytesOf } from './decoders/decoder.ts';
import { tryOut } from './decoders/try-out.ts';
import { type Guard, loadLimitMs, unguarded } from './guarded-work.ts';
import { weightBytesOf } from './residency/memory-plan.ts';
import type { RunnerLog } from './runner-log.ts';
import { Scheduler } from './scheduling/scheduler.ts';
import type { Speeds } from './scheduling/speeds.ts';
import { drafterOf } from './speculation/drafter.ts';
import { loadDrafts } from './speculation/load-drafts.ts';
import type { ModelStore } from './stored/model-store.ts';
import { ImageReader } from './vision/image-reader.ts';
import { msPerOperation, usualOperations, whyNoTower } from './vision/native-tower.ts';

/** Options of a load that the runner of the model has too. */
export interface LoadSettings {
  readonly model: Model;
  readonly backend: Backend;
  /**
   * Cached prompt pages are freed after this time without use, in milliseconds; default 5 minutes.
   */
  readonly cacheIdleMs?: number;
  /** Whether tokens of answers are drafted and verified; default true. */
  readonly drafts?: boolean;
  /** Stores pages on the disk, for the next process; without it none are stored. */
  readonly store?: ModelStore;
  readonly guard?: Guard;
  /** Announced after a load in place of the speeds of the short trial. */
  readonly measuredSpeeds?: Speeds;
  readonly clock: () => number;
  readonly log: RunnerLog;
}

interface LoadOptions extends LoadSettings {
  readonly pages: number;
  /** 0 if the model has no states. */
  readonly states: number;
  /** Number of requests that are answered at once. */
  readonly seats: number;
  /** False if this computer cannot compute images, or an earlier load found it too slow for them. */
  readonly readsImages: boolean;
  /** Called when a part that drafts answers failed. The model then answers without it. */
  readonly onDraftFailure: (error: unknown, message: string) => void;
  /** Called when the decoder failed while it answered. Every answer has ended. */
  readonly onFailure: (error: unknown) => void;
}

/** Maximum number of tokens in one step: parts of prompts and one token of each answer. */
const STEP_TOKENS = 512;
/** Maximum time for which prompts may delay the next token of running answers, in milliseconds. */
const PREFILL_MS = 100;
/** Longest time for an image of the usual size with which a model is announced as reading images, in milliseconds. */
const MOST_IMAGE_MS = 60_000;
/**
 * Time for which an unused conversation stays cached, in milliseconds: long enough to read an
 * answer and reply.
 */
const CACHE_IDLE_MS = 5 * 60_000;
/** Maximum time between two checks for memory that can be freed, in milliseconds. */
const TRIM_EVERY_MS = 30_000;

/** A model in memory, with what helps it. */
export interface LoadedModel extends AsyncDisposable {
  readonly scheduler: Scheduler;
  /** Undefined if the model reads no images here. */
  readonly images: ImageReader | undefined;
  /** Before the first answers. */
  readonly speeds: Speeds;
  readonly memoryBytes: number;
}

/** Frees what it has loaded if a later part fails. */
export async function loadModel(options: LoadOptions): Promise<LoadedModel> {
  const {
    model,
    backend,
    pages,
    states,
    seats,
    cacheIdleMs = CACHE_IDLE_MS,
    drafts = true,
    store,
    guard = unguarded,
    measuredSpeeds,
    clock,
    onDraftFailure,
    onFailure,
  } = options;
  await using parts = new AsyncDisposableStack();
  const { decoder, tried } = await guard(
    { kind: 'load', limitMs: loadLimitMs(weightBytesOf(model)) },
    async (progressed) => {
      const loaded = parts.use(
        await backend.load({ model, pages, states, maxTokens: STEP_TOKENS, progressed }),
      );
      const { vocabulary } = model.shape;
      return { decoder: loaded, tried: await tryOut(loaded, { vocabulary, clock, progressed }) };
    },
  );
  const images = parts.use(await loadImages(options));
  const speeds = measuredSpeeds ?? tried;
  const drafting = drafts
    ? await loadDrafts({
        model,
        backend,
        decoder,
        speeds,
        pages,
        maxTokens: STEP_TOKENS,
        guard,
        clock,
        onFailure: onDraftFailure,
      })
    : undefined;
  parts.use(drafting?.draftModel);
  const scheduler = new Scheduler({
    decoder,
    clock,
    pages,
    states,
    maxTokens: STEP_TOKENS,
    maxRunning: seats,
    prefillMs: PREFILL_MS,
    speeds,
    guard,
    ...(drafting && { drafter: drafterOf(drafting) }),
    ...(store && { stored: { store, unitBytes: unitBytesOf(model, backend) } }),
    onFailure,
  });
  parts.defer(() => scheduler.close());
  const trimming = setInterval(
    () => void scheduler.trim(cacheIdleMs),
    Math.min(cacheIdleMs, TRIM_EVERY_MS),
  ).unref();
  parts.defer(() => clearInterval(trimming));
  const all = parts.move();
  return {
    scheduler,
    images,
    speeds,
    memoryBytes: decoder.memoryBytes,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function loadImages({
  model: { build, vision },
  readsImages,
  guard = unguarded,
  clock,
  log,
}: LoadOptions): Promise<ImageReader | undefined> {
  if (vision === undefined) return undefined;
  const reason = whyNoTower(vision);
  if (reason !== undefined)
    log.info(
      { model: build, reason },
      'this machine cannot compute the images of a model, which answers only text',
    );
  if (!readsImages) return undefined;
  const imageMs = (await msPerOperation(vision)) * usualOperations(vision);
  if (imageMs <= MOST_IMAGE_MS) return ImageReader.load(vision, { guard, clock });
  log.info(
    { model: build, imageMs: Math.round(imageMs) },
    'the processor is too slow for the images of a model, which answers only text',
  );
  return undefined;
}
