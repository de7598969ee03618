/** A conversation as this browser stores it. */
export interface Conversation {
  readonly id: string;
  readonly model: string;
  /** Time of the last change, in milliseconds since 1970. */
  readonly at: number;
  readonly messages: readonly ChatMessage[];
  /** The functions that the model may call, as JSON; absent without any. */
  readonly tools?: string;
}

export type ChatMessage = Question | ChatAnswer | ToolResult;

interface Question {
  readonly role: 'user';
  readonly text: string;
  /** Data URLs of small images. */
  readonly images?: readonly string[];
}

/** A call of a function that the model asks for. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** The arguments as the model wrote them, usually JSON. */
  readonly text: string;
}

/** What a called function returned: the person typed it. */
export interface ToolResult {
  readonly role: 'tool';
  readonly callId: string;
  readonly text: string;
}

export interface ChatAnswer {
  readonly role: 'assistant';
  readonly model: string;
  readonly text: string;
  readonly reasoning: string;
  /** Absent in answers that call nothing. */
  readonly toolCalls?: readonly ToolCall[];
  readonly end: AnswerEnd;
  readonly serving?: AnsweredBy | undefined;
  readonly costMicroUsd?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  /** Time from the request to the first content, and to the end, in milliseconds. */
  readonly firstContentMs?: number | undefined;
  readonly totalMs?: number | undefined;
}

export type AnswerEnd =
  | { readonly kind: 'running' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'length' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string }
  /** A check of the machine or the log failed, so the question was not sent. */
  | { readonly kind: 'refused'; readonly message: string };

/** The machine that answered, from the headers of the answer or from its checked evidence. */
export interface AnsweredBy {
  readonly job: string | undefined;
  readonly provider: string | undefined;
  readonly chip: string | undefined;
  readonly level: string | undefined;
  readonly isSimulated: boolean;
  readonly choice?: ChosenBecause | undefined;
  /** Present if only this machine could read the question. */
  readonly sealed?: CheckedMachine | undefined;
}

/** What the browser has checked before it sealed a question for a machine. */
export interface CheckedMachine {
  readonly version: string;
  readonly codeHash: string;
  readonly build: string;
  /** Digest of the weights that the machine has signed; undefined if it has signed none. */
  readonly weights: string | undefined;
  /** Another program, which is in no release, runs the models and reads the question. */
  readonly isExternalEngine: boolean;
}

/** Why routing chose the machine, from the header `x-dinf-routing`. */
export interface ChosenBecause {
  readonly attempts: number;
  readonly queuedMs: number;
  readonly expectedMs: number;
  /** Parts of the expected time, in milliseconds, by their names. */
  readonly terms: Readonly<Record<string, number>>;
}

/** Longest title of a conversation, in characters. */
const TITLE_LENGTH = 60;

/** The calls of the last answer that wait for their results. */
export function openCalls(messages: readonly ChatMessage[]): readonly ToolCall[] {
  const last = messages.at(-1);
  return last?.role === 'assistant' && last.end.kind === 'complete' ? (last.toolCalls ?? []) : [];
}

export function titleOf({ messages }: Conversation): string {
  const question = messages.find(({ role }) => role === 'user')?.text.trim() ?? '';
  const line = question.split('\n', 1)[0] ?? '';
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line;
}

/** Largest number of conversations, and of characters in all of them, that the browser stores. */
const MAX_CONVERSATIONS = 100;
const MAX_CHARACTERS = 2_000_000;

/** The newest conversations that fit into the storage, the newest first. */
export function bounded(conversations: readonly Conversation[]): Conversation[] {
  const newest = conversations.toSorted((one, other) => other.at - one.at);
  const kept: Conversation[] = [];
  let characters = 0;
  for (const conversation of newest.slice(0, MAX_CONVERSATIONS)) {
    characters += JSON.stringify(conversation).length;
    if (characters > MAX_CHARACTERS && kept.length > 0) break;
    kept.push(conversation);
  }
  return kept;
}

/** The list with the conversation added or replaced. */
export const withConversation = (
  conversations: readonly Conversation[],
  changed: Conversation,
): Conversation[] => bounded([changed, ...conversations.filter(({ id }) => id !== changed.id)]);
