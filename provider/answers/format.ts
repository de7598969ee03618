import type { InferenceRequest } from '#bus-schemas';
import type { PromptWriter } from '../models/chat-template.ts';
import type { JsonObject } from '../models/json.ts';

export type OfferedTool = NonNullable<InferenceRequest['chat']['tools']>[number];

/** A part of a model's answer with its kind. */
export type AnswerPart =
  | { readonly k: 'text' | 'reasoning'; readonly text: string }
  | { readonly k: 'call'; readonly name: string }
  | { readonly k: 'arguments'; readonly text: string };

export interface ReaderOptions {
  /** The tools that the answer may call; none if the request offers none. */
  readonly tools: readonly OfferedTool[];
  /** True if the prompt ended within the text of an answer. */
  readonly continues: boolean;
  /** True if the prompt ended where reasoning begins. */
  readonly thinksFirst: boolean;
}

/**
 * Separates text, reasoning and tool calls while one answer arrives. What it returns does not depend
 * on where the texts are cut.
 */
export interface AnswerReader {
  readonly isThinking: boolean;
  /** Number of calls that were read. */
  readonly calls: number;
  push(text: string): AnswerPart[];
  /** Accepts a control token by its name. */
  pushSign(name: string): AnswerPart[];
  /** Ends the answer and returns what was held back. */
  end(): AnswerPart[];
}

/** How a call is written, for the grammar that makes a model write one. */
export interface CallForm {
  /** The text that begins a call; undefined if ordinary text may begin in the same way. */
  readonly trigger?: string;
  /** A call of one tool as a tag of XGrammar: its beginning, the format of its content, its end. */
  tag(name: string, parameters: object): CallTag;
}

interface CallTag {
  readonly begin: string;
  readonly content: object;
  readonly end: string;
}

/** A conversation as templates of Jinja read it. */
export interface TemplateConversation {
  readonly messages: readonly JsonObject[];
  readonly tools: readonly JsonObject[] | null;
}

/** How one model writes its answers. */
export interface AnswerFormat {
  /** True if reasoning is announced as an ability of the model. */
  readonly reasons: boolean;
  /** Undefined if the model's template has no calls that this format reads. */
  readonly call?: CallForm | undefined;
  /** The beginning of an answer that must be JSON. */
  readonly beforeJson?: string;
  /** Tokens that end an answer, beside those that the model's files name. */
  readonly endTokens?: readonly string[];
  /** True if the template wants the arguments of earlier calls as JSON text and not as objects. */
  readonly argumentsAreText?: boolean;
  /** Writes prompts without the model's template. `today` returns the date as in 2026-11-28. */
  promptWriter?(today: () => string): PromptWriter;
  reader(options: ReaderOptions): AnswerReader;
  /** Returns true if an answer after this end of a prompt begins with reasoning. */
  beginsThinking(prompt: string): boolean;
  /** Changes what the template of the model would refuse or leave out. */
  conversation?(given: TemplateConversation): TemplateConversation;
}

/** A format with the name of its family. */
export interface NamedFormat extends AnswerFormat {
  readonly name: string;
}

/** What a format is recognised by. */
export interface ModelFacts {
  readonly template: string;
  /** Returns true if the vocabulary has this token. */
  has(token: string): boolean;
}

/** The models that write their answers in the same way. */
export interface FormatFamily {
  readonly name: string;
  /** Tokens that are structure, also in a vocabulary that counts them as text. */
  readonly signs?: readonly string[];
  /** Tokens that are read as text, also in a vocabulary that counts them as structure. */
  readonly texts?: readonly string[];
  /** Returns undefined if the model is not of this family. */
  of(facts: ModelFacts): AnswerFormat | undefined;
}
