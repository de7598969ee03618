import type { InferenceEnd } from '#bus-schemas/customer.ts';
import type { Offer } from '#client/offer-check.ts';
import type { SealedEvent } from '#client/sealed-client.ts';
import { failureText } from '../texts/failure-text.ts';
import type { AnswerEnd, AnsweredBy, ChatAnswer, ChosenBecause, ToolCall } from './conversation.ts';

/** One chunk of a streamed chat completion, as far as the page reads it. */
interface Chunk {
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly CallChunk[];
    };
    readonly finish_reason?: string | null;
    readonly error?: ChunkError;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly cost?: number;
  } | null;
  readonly error?: ChunkError;
}

interface ChunkError {
  readonly code?: string;
  readonly message?: string;
}

interface CallChunk {
  readonly index: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

const END = '[DONE]';

export const newAnswer = (model: string): ChatAnswer => ({
  role: 'assistant',
  model,
  text: '',
  reasoning: '',
  end: { kind: 'running' },
});

/** The answer with one event of its stream added; `elapsedMs` counts from the request. */
export function withEvent(answer: ChatAnswer, data: string, elapsedMs: number): ChatAnswer {
  if (data === END)
    return answer.end.kind === 'running' ? { ...answer, end: { kind: 'complete' } } : answer;
  const { choices, usage, error } = JSON.parse(data) as Chunk;
  const choice = choices?.[0];
  const fault = error ?? choice?.error;
  if (fault) {
    const { code = '', message = '' } = fault;
    return {
      ...answer,
      end: { kind: 'failed', message: message && failureText({ code, message }) },
    };
  }
  const text = choice?.delta?.content ?? '';
  const reasoning = choice?.delta?.reasoning_content ?? '';
  const calls = choice?.delta?.tool_calls ?? [];
  const hasContent = text !== '' || reasoning !== '' || calls.length > 0;
  return {
    ...calls.reduce(
      (grown, { index, id, function: called = {} }) =>
        withCall(grown, { index, id, name: called.name, text: called.arguments ?? '' }),
      answer,
    ),
    text: answer.text + text,
    reasoning: answer.reasoning + reasoning,
    firstContentMs: answer.firstContentMs ?? (hasContent ? elapsedMs : undefined),
    end: choice?.finish_reason ? endFor(choice.finish_reason) : answer.end,
    ...(usage && {
      promptTokens: usage.prompt_tokens,
      completionTokens: usage.completion_tokens,
      ...(usage.cost !== undefined && { costMicroUsd: Math.round(usage.cost * 1_000_000) }),
    }),
  };
}

/** The answer with a part of a call added. The first part of each call has its id and name. */
function withCall(
  answer: ChatAnswer,
  part: {
    index: number;
    id?: string | undefined;
    name?: string | undefined;
    text: string;
  },
): ChatAnswer {
  const { index, id = `call_${index}`, name = '', text } = part;
  const calls = answer.toolCalls ?? [];
  const before = calls[index];
  const call: ToolCall = before ? { ...before, text: before.text + text } : { id, name, text };
  return { ...answer, toolCalls: [...calls.slice(0, index), call, ...calls.slice(index + 1)] };
}

/** The answer with one opened event of a sealed stream added. */
export function withSealedEvent(
  answer: ChatAnswer,
  event: SealedEvent,
  elapsedMs: number,
): ChatAnswer {
  if (event.k === 'serving') return { ...answer, serving: sealedServing(event) };
  if (event.k === 'tool')
    return { ...withCall(answer, event), firstContentMs: answer.firstContentMs ?? elapsedMs };
  const name = event.k === 'text' ? 'text' : 'reasoning';
  return {
    ...answer,
    [name]: answer[name] + event.text,
    firstContentMs: answer.firstContentMs ?? elapsedMs,
  };
}

export function withSealedEnd(answer: ChatAnswer, { finish, usage }: InferenceEnd): ChatAnswer {
  return {
    ...answer,
    end: isFailure(finish) ? { kind: 'failed', message: '' } : endFor(finish),
    promptTokens: usage.promptTokens,
    completionTokens: usage.completionTokens,
  };
}

/** The machine for which the question was sealed, from the evidence that the browser checked. */
function sealedServing({ job, offer }: { job: string; offer: Offer }): AnsweredBy {
  const { evidence, build } = offer;
  return {
    job,
    provider: offer.provider,
    chip: undefined,
    level: offer.level,
    isSimulated: evidence.simulated,
    sealed: {
      version: evidence.agent_version,
      codeHash: evidence.code_hash,
      build,
      weights: evidence.weights.find((shown) => shown.build === build)?.digest,
      isExternalEngine: evidence.engine === 'external',
    },
  };
}

/** The answer after its stream has ended. A stream that ends early is a failure. */
export function withEnd(answer: ChatAnswer, elapsedMs: number, end?: AnswerEnd): ChatAnswer {
  const { kind } = answer.end;
  const isOpen = kind === 'running';
  return {
    ...answer,
    totalMs: elapsedMs,
    end: end ?? (isOpen ? { kind: 'failed', message: '' } : answer.end),
  };
}

/** The machine that answered. Its own statements, such as the chip, are not proof. */
export function servingOf(headers: Headers): AnsweredBy {
  const of = (name: string) => headers.get(name) ?? undefined;
  return {
    job: of('x-inference-job-id'),
    provider: of('x-provider-id'),
    chip: of('x-provider-chip'),
    level: of('x-provider-trust-level'),
    isSimulated: headers.get('x-provider-simulated') === 'true',
    choice: choiceIn(headers.get('x-dinf-routing')),
  };
}

function choiceIn(header: string | null): ChosenBecause | undefined {
  if (header === null) return undefined;
  const choice = JSON.parse(header) as {
    attempts: number;
    queued_ms: number;
    expected_first_content_ms: number;
    terms_ms: Record<string, number> | null;
  };
  return {
    attempts: choice.attempts,
    queuedMs: choice.queued_ms,
    expectedMs: choice.expected_first_content_ms,
    terms: choice.terms_ms ?? {},
  };
}

const isFailure = (finish: InferenceEnd['finish']): boolean =>
  finish === 'error' || finish === 'cancelled';

const endFor = (reason: string): AnswerEnd =>
  reason === 'length' ? { kind: 'length' } : { kind: 'complete' };
