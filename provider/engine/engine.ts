import type { Delta, EngineName, Finish, InferenceRequest, Machine, Refusal, RefusalAbout, Slot, Usage, WeightsDigest } from '#bus-schemas';

export interface GenerationRequest {
  readonly build: string;
  readonly chat: InferenceRequest['chat'];
  readonly maxTokens: number;
  /** Requests of the same scope may share what was worked out for the beginning of a prompt; without one, nobody. */
  readonly cacheScope?: string;
  /** Time left for the first content, in milliseconds: a request that cannot begin in time is refused. */
  readonly firstContentMs?: number;
}

/** The engine does not take this request; another one of the same machine it may. */
export class RequestRefused extends Error {
  readonly code: Refusal;
  /** The part of an invalid request that cannot be used. */
  readonly about: RefusalAbout | undefined;
  /** Why, for the client alone: it may quote the request. */
  readonly detail: string | undefined;
  override name = 'RequestRefused';

  constructor(code: Refusal, { about, detail, ...options }: ErrorOptions & { about?: RefusalAbout; detail?: string } = {}) {
    super(code, options);
    this.code = code;
    this.about = about;
    this.detail = detail;
  }
}

/** Where a sequence's output goes. After `end` nothing follows. */
export interface Sink {
  delta(delta: Delta): void;
  end(finish: Finish, usage: Usage, more?: EndFacts): void;
  /** Instead of all that: the engine found out after `generate` that it cannot use the request. */
  refuse(refusal: RequestRefused): void;
}

export interface EndFacts {
  /** The one of the request's stop strings that ended it. */
  readonly stopSequence?: string | undefined;
  /** With `error`: the part of the request that made it fail, where the engine itself works. */
  readonly about?: RefusalAbout | undefined;
}

/** One running generation. */
export interface Sequence {
  /** No more text until `resume`: only this sequence stops, its batch goes on. */
  pause(): void;
  resume(): void;
  /** Ends it with finish `cancelled`, at once or at the end of the step that runs. */
  cancel(): void;
}

/** What runs models on a machine. Batching is the engine's own business; it decodes as fast as its sinks let it. */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  readonly machine: Machine;
  /** As it is now. */
  slots(): readonly Slot[];
  /** What the files of its builds amount to; of an engine without files, nothing. */
  weights?(): readonly WeightsDigest[];
  /** Called when a slot has changed. */
  onChange(listener: () => void): void;
  /** Brings a model into memory before somebody asks for it, if it can: what became of it is seen in its slot. */
  load(build: string): void;
  /** Throws RequestRefused for what is known at once. */
  generate(request: GenerationRequest, sink: Sink): Sequence;
}
