import type {
  Delta,
  EncodingTask,
  EngineName,
  Finish,
  InferenceRequest,
  Machine,
  PromptUsage,
  Refusal,
  RefusalAbout,
  Slot,
  Usage,
  WeightsDigest,
} from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import type { EngineFault } from '../reasons.ts';
import type { PrefixStoreFigures } from './stored/prefix-store.ts';

export interface GenerationRequest {
  readonly build: string;
  readonly chat: InferenceRequest['chat'];
  readonly maxTokens: number;
  /**
   * Requests of the same scope may share cached keys and values of a common prompt prefix. A
   * request without a scope shares with no other: a shared cache would reveal by its timing which
   * prompts other consumers have sent.
   */
  readonly cacheScope?: string;
  /** The name by which routing knows this prompt. */
  readonly prefixTag?: string;
  /**
   * Time left until the first content is due, in milliseconds. A request that cannot begin in time
   * is refused.
   */
  readonly firstContentMs?: number;
  /** A request of the machine's owner, which goes before all waiting requests of the network. */
  readonly isOwners?: boolean;
  /** The deltas shall have the ids of their tokens. Engines that do not know them leave them out. */
  readonly reportsIds?: boolean;
  /**
   * The tokens with which the answer begins. The sink receives the deltas of these tokens too, as
   * if the engine had just chosen them.
   */
  readonly answerTokens?: readonly number[];
}

export interface EncodingWork {
  readonly build: string;
  readonly task: EncodingTask;
  /** Most tokens of all texts together that are paid for. A larger task is refused. */
  readonly mostTokens: number;
  /** As for a generation. */
  readonly firstContentMs?: number;
  readonly isOwners?: boolean;
}

/** The engine refuses this request. It may accept other requests. */
export class RequestRefused extends CodedError<Refusal> {
  /** The part of an invalid request that cannot be used. */
  readonly about: RefusalAbout | undefined;
  /**
   * The reason in words. It may quote the request, so it is sent to the client and never logged.
   */
  readonly detail: string | undefined;

  constructor(
    code: Refusal,
    { about, detail, ...options }: ErrorOptions & { about?: RefusalAbout; detail?: string } = {},
  ) {
    super(code, code, options);
    this.about = about;
    this.detail = detail;
  }
}

/** Receives the output of a sequence. No call follows `end` or `refuse`. */
export interface Sink {
  /** Called at most once, before the first delta, by engines that know the tokens of the prompt. */
  begun?(prompt: PromptUsage): void;
  delta(delta: Delta): void;
  end(finish: Finish, usage: Usage, more?: EndFacts): void;
  /**
   * Called instead of the others if the engine finds after `generate` that it cannot use the
   * request.
   */
  refuse(refusal: RequestRefused): void;
}

export interface EndFacts {
  /** The stop string of the request that ended the answer. */
  readonly stopSequence?: string | undefined;
  /**
   * With `error`: the part of the request that caused the failure, if the machine is not at fault.
   */
  readonly about?: RefusalAbout | undefined;
}

/** The largest number of models of one machine. */
export const MAX_OWN_MODELS = 64;

/** Memory for models, in bytes. */
export interface ModelMemory {
  /** For all models that are in memory at the same time. */
  readonly totalBytes: number;
  /** For the weights and the largest cache of each model. */
  readonly byBuild: Readonly<Record<string, number>>;
}

/** One running generation. */
export interface Sequence {
  /** Stops output until `resume`. The other sequences of the batch continue. */
  pause(): void;
  resume(): void;
  /** Ends the sequence with finish `cancelled`, at the latest after the running step. */
  cancel(): void;
}

/**
 * Runs the models of a machine. It batches requests itself, and decodes as fast as the sinks allow.
 */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  readonly machine: Machine;
  /** False if a debugger could read prompts from a process of the engine. */
  readonly isHardened?: boolean;
  /** Why the engine does not run at present; undefined while it runs. */
  readonly fault?: EngineFault | undefined;
  /** Absent for engines whose models are in the memory of another program. */
  readonly memory?: ModelMemory | undefined;
  /** Pages of prompts on the disk; absent if the engine keeps none there. */
  readonly storedPrefixes?: PrefixStoreFigures | undefined;
  /**
   * The tags of prompts that need not be computed again, those that were used last first. Absent for
   * engines that do not know their caches.
   */
  readonly heldPrefixes?: readonly string[];
  /** The present state of each model. */
  slots(): readonly Slot[];
  /** The digests of its builds' files. Engines without files have no such method. */
  weights?(): readonly WeightsDigest[];
  /** Registers a listener that is called whenever a slot changes. */
  onChange(listener: () => void): void;
  /**
   * Starts to load a model before the first request for it, if there is room for it beside models
   * with running answers. The slot's state shows the outcome.
   */
  load(build: string): void;
  /** Loads a model as soon as the running answers of models that must leave for it have ended. */
  switchTo?(build: string): void;
  /**
   * Serves a further model, by its folder or its name in Hugging Face's cache, without loading it.
   * Returns its build. Throws with a sentence for the owner if the model cannot be served.
   */
  add?(name: string): Promise<string>;
  /** Frees the memory of caches that no running answer needs. */
  emptyCaches?(): void;
  /** Unloads a model as soon as it has no requests; the next request loads it again. */
  unload?(build: string): void;
  /**
   * Ends the requests of a model and unloads it, because memory is short. Those without content are
   * refused, so that another machine gets them; the others end as `out_of_memory`.
   */
  endAnswers?(build: string): void;
  /** Throws RequestRefused if the engine can refuse at once; later refusals go to the sink. */
  generate(request: GenerationRequest, sink: Sink): Sequence;
  /**
   * Computes vectors or relevances, and writes each as a line of text with one token
   * (`bus-schemas/result-lines.ts`). Absent for engines that only write answers.
   */
  encode?(work: EncodingWork, sink: Sink): Sequence;
}
