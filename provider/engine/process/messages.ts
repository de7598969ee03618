import {
  Delta,
  EngineName,
  Finish,
  MAX_HELD_PREFIXES,
  Machine,
  PrefixTag,
  REFUSAL_ABOUTS,
  Refusal,
  Slot,
  Usage,
} from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { type EncodingWork, type GenerationRequest, MAX_OWN_MODELS } from '../engine.ts';
import type { OpenEngineOptions } from '../open-model-engine.ts';

/**
 * Messages between the worker and the process of its engine, as JSON over the IPC channel. The engine
 * reads files of strangers in native code, so the worker checks everything that it sends.
 */

const count = Type.Integer({ minimum: 0 });
const optional = Type.Optional;
const id = { id: count };
/** The models of the engine, which follow from its files. */
const models = {
  slots: Type.Array(Slot, { maxItems: MAX_OWN_MODELS }),
  weights: Type.Array(
    Type.Object({ build: Type.String({ maxLength: 256 }), hex: Type.String({ maxLength: 64 }) }),
    { maxItems: MAX_OWN_MODELS },
  ),
  memory: Type.Object({
    totalBytes: count,
    byBuild: Type.Record(Type.String({ maxLength: 256 }), count),
  }),
};
const about = optional(Type.Enum(REFUSAL_ABOUTS));

const EngineReport = Type.Union([
  /** The models have been read; they are loaded next. */
  Type.Object({
    t: Type.Literal('opened'),
    name: EngineName,
    machine: Machine,
    /** Whether the process denies debuggers, which could read prompts from its memory. */
    isHardened: Type.Boolean(),
    ...models,
  }),
  /** A further model is served. */
  Type.Object({ t: Type.Literal('added'), build: Type.String({ maxLength: 256 }), ...models }),
  Type.Object({ t: Type.Literal('cannot_add'), message: Type.String() }),
  /** The models that fit beside one another were loaded, or have failed to load. */
  Type.Object({ t: Type.Literal('loaded') }),
  Type.Object({ t: Type.Literal('cannot_open'), message: Type.String() }),
  Type.Object({ t: Type.Literal('slots'), slots: models.slots }),
  /** The pages of prompts on the disk, after a change. */
  Type.Object({
    t: Type.Literal('prefixes'),
    figures: Type.Object({
      files: count,
      bytes: count,
      grantedBytes: count,
      pagesRead: count,
      damaged: count,
    }),
  }),
  /** The prompts that need not be computed again, after a change. */
  Type.Object({
    t: Type.Literal('held'),
    tags: Type.Array(PrefixTag, { maxItems: MAX_HELD_PREFIXES }),
  }),
  Type.Object({
    t: Type.Literal('pulse'),
    /** Time in milliseconds for which no message may follow. */
    silenceMs: Type.Number({ minimum: 0, maximum: 86_400_000 }),
    /** Work that has exceeded its time limit. */
    overdue: optional(Type.Object({ kind: Type.String(), limitMs: Type.Number() })),
  }),
  Type.Object({
    t: Type.Literal('log'),
    level: Type.Enum(['info', 'error']),
    facts: Type.Record(Type.String(), Type.Unknown()),
    message: Type.String(),
  }),
  Type.Object({ t: Type.Literal('begun'), ...id, promptTokens: count, cachedTokens: count }),
  Type.Object({ t: Type.Literal('delta'), ...id, delta: Delta }),
  Type.Object({
    t: Type.Literal('end'),
    ...id,
    finish: Finish,
    usage: Usage,
    stopSequence: optional(Type.String({ maxLength: 1024 })),
    about,
  }),
  Type.Object({
    t: Type.Literal('refuse'),
    ...id,
    code: Refusal,
    about,
    detail: optional(Type.String()),
  }),
]);
export type EngineReport = Static<typeof EngineReport>;

/** Reports of one turn of the event loop are sent together. */
const EngineReports = Type.Array(EngineReport);

export const areEngineReports = checkerOf(EngineReports).Check;

/** Settings of an engine that is opened in a process of its own. */
export type EngineSettings = Omit<OpenEngineOptions, 'log' | 'guard'>;

/** The process of the engine trusts the worker, which starts it. */
export type EngineOrder =
  | { readonly t: 'open'; readonly settings: EngineSettings }
  | { readonly t: 'load' | 'unload' | 'switch'; readonly build: string }
  /** One at a time: the report does not name the order. */
  | { readonly t: 'add'; readonly name: string }
  | { readonly t: 'empty_caches' }
  | { readonly t: 'generate'; readonly id: number; readonly request: GenerationRequest }
  | { readonly t: 'encode'; readonly id: number; readonly work: EncodingWork }
  | { readonly t: 'pause' | 'resume' | 'cancel'; readonly id: number };

/** The line with which the process of an engine shows that it runs. */
export const ENGINE_PROCESS_READY = 'the engine process runs';
