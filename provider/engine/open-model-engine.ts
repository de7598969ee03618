import { join } from 'node:path';
import { messageOf } from '#bus-schemas/message-of.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { memoryForModels, thisMachine } from '../machine.ts';
import type { EncoderModel } from '../models/encoders/encoder-model.ts';
import type { Model } from '../models/model.ts';
import { ModelError } from '../models/model-error.ts';
import { isNamedReranker, openServedModel } from '../models/open-served-model.ts';
import type { BackendName } from './backend-names.ts';
import { chooseBackend } from './choose-backend.ts';
import { encodersThatFit } from './encoders/encoder-memory.ts';
import type { Guard } from './guarded-work.ts';
import type { Measurement } from './measured-speeds.ts';
import { ModelEngine, type ModelEngineOptions } from './model-engine.ts';
import { modelsThatFit } from './residency/memory-plan.ts';
import type { RunnerLog } from './runner-log.ts';
import { logUnused, openDraftModels, withDrafter } from './speculation/open-draft-models.ts';
import { HeldPrefixes } from './stored/held-prefixes.ts';
import type { PrefixSettings } from './stored/prefix-settings.ts';
import { PrefixStore } from './stored/prefix-store.ts';

export interface OpenEngineOptions {
  /** The backend to use; by default, the best one that runs on this machine. */
  readonly backend?: BackendName;
  /** Paths of folders, or names in Hugging Face's cache. */
  readonly models: readonly string[];
  readonly maxConcurrency: number;
  readonly idleMs: number;
  /** Share of the memory for models that may be used, above 0 and up to 1; default 1. */
  readonly memoryShare?: number;
  /** Whether tokens are drafted; default as in the setting DINF_DRAFTS. */
  readonly drafts?: boolean;
  /** Results of earlier benchmarks; those of these models are announced at the start. */
  readonly measured?: readonly Measurement[];
  /** Where prefixes of prompts outlive the process; nothing is stored without it. */
  readonly prefixes?: PrefixSettings;
  readonly log: RunnerLog;
  /** Watches the time of the engine's work; by default nothing does. */
  readonly guard?: Guard;
}

/**
 * Opens an engine, which loads its models later. A model that cannot be read is logged and left out.
 * Throws if no model can be read.
 */
export async function openUnloadedEngine({
  backend: wanted,
  models: names,
  memoryShare,
  drafts = setting('DINF_DRAFTS') === 'auto',
  prefixes,
  log,
  ...rest
}: OpenEngineOptions): Promise<ModelEngine> {
  const drafters = await openDraftModels(drafts ? setting('DINF_DRAFT_MODELS') : [], log);
  const models: Model[] = [];
  const encoders: EncoderModel[] = [];
  const faults: unknown[] = [];
  for (const name of names) {
    try {
      const served = await openServedModel(name, setting('DINF_RERANKERS'));
      if (served.kind === 'encoder') encoders.push(served.model);
      else models.push(withDrafter(served.model, drafters));
      if (isNamedReranker(served))
        log.error({ model: name, setting: 'DINF_RERANKERS' }, SERVED_AS_WRITER);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      faults.push(error);
      log.error({ model: name, err: error.message }, 'a model cannot be read and is not served');
    }
  }
  if (models.length + encoders.length === 0) throw faults[0] ?? new Error('no model is configured');
  const { backend, candidates } = await chooseBackend(wanted);
  log.info(
    {
      engine: backend.name,
      device: backend.device,
      instead: candidates
        .filter(({ runs }) => !runs)
        .map(({ name, detail }) => `${name}: ${detail}`),
    },
    'an engine was chosen',
  );
  const memoryBytes = memoryForModels(memoryShare);
  logUnused(drafters, models, log);
  const small = encodersThatFit(encoders, { backend, memoryBytes });
  const { fitting, refused } = modelsThatFit(models, { backend, memoryBytes: small.leftBytes });
  for (const { build, error } of [...small.refused, ...refused])
    log.error({ model: build, err: error.message }, 'a model does not fit and is not served');
  if (fitting.length + small.fitting.length === 0) {
    await backend[Symbol.asyncDispose]();
    throw [...small.refused, ...refused][0]?.error;
  }
  return new ModelEngine({
    backend,
    models: fitting,
    encoders: small.fitting,
    machine: thisMachine(),
    memoryBytes,
    drafts,
    drafters,
    log,
    ...(prefixes && (await openPrefixes(prefixes, log))),
    ...rest,
  });
}

const SERVED_AS_WRITER =
  'a model with the name of a reranker writes answers, because its folder is that of a chat model; the setting makes it a reranker';

/** The list of prompts beside their pages. */
const HELD_FILE = 'held-prefixes';

/** Without its folder, the engine serves as well, and computes more. */
async function openPrefixes(
  { secret, version, ...settings }: PrefixSettings,
  log: RunnerLog,
): Promise<Pick<ModelEngineOptions, 'prefixes'>> {
  try {
    const store = await PrefixStore.open({
      ...settings,
      secret: Buffer.from(secret, 'hex'),
      log,
      now: Date.now,
    });
    const held = await HeldPrefixes.open({
      file: join(settings.folder, HELD_FILE),
      hasFile: (name) => store.hasFile(name),
      log,
    });
    return { prefixes: { store, held, version } };
  } catch (error) {
    log.error({ err: messageOf(error) }, 'prefixes of prompts are not kept on the disk');
    return {};
  }
}

/** Lets an engine serve a further model, and returns its build. Throws ModelError if it cannot. */
export async function addModel(engine: ModelEngine, name: string): Promise<string> {
  const served = await openServedModel(name, setting('DINF_RERANKERS'));
  if (served.kind === 'encoder') engine.addEncoder(served.model);
  else engine.addModel(served.model);
  return served.model.build;
}

/** Opens an engine in this process, and loads the models that fit beside one another. */
export async function openModelEngine(options: OpenEngineOptions): Promise<ModelEngine> {
  const engine = await openUnloadedEngine(options);
  await engine.loadAll();
  return engine;
}
