import { SealedError } from '#client/sealed-error.ts';
import { call, send } from '../api/call.ts';
import { eventsOf } from '../api/event-stream.ts';
import { ApiFailure } from '../api/failure.ts';
import { invalidate } from '../state/resource.ts';
import { failureText } from '../texts/failure-text.ts';
import {
  newAnswer,
  servingOf,
  withEnd,
  withEvent,
  withSealedEnd,
  withSealedEvent,
} from './answer.ts';
import { forApi } from './api-messages.ts';
import type { AnswerEnd, ChatAnswer, ChatMessage } from './conversation.ts';
import type { ChatTool } from './tools.ts';

interface Asked {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** The functions that the model may call. */
  readonly tools: readonly ChatTool[];
  readonly conversation: string;
  /** Whether this browser seals the question. If it does and a check fails, nothing is sent. */
  readonly isSealed: boolean;
  /** Ends the answer when the person presses Stop. */
  readonly signal: AbortSignal;
  /** Called with the answer whenever it has grown. */
  readonly show: (answer: ChatAnswer) => void;
}

/**
 * Asks a model and shows its answer while it is written. Returns the complete answer, without its
 * cost if the answer did not state it.
 */
export async function ask(asked: Asked): Promise<ChatAnswer> {
  const { model, isSealed, signal, show } = asked;
  const started = performance.now();
  const elapsed = () => Math.round(performance.now() - started);
  let answer = newAnswer(model);
  const grow = (next: ChatAnswer) => {
    answer = next;
    show(answer);
  };
  grow(answer);
  try {
    const changes = isSealed ? sealedChanges(asked) : relayedChanges(asked);
    for await (const change of changes) grow(change(answer, elapsed()));
    grow(withEnd(answer, elapsed()));
  } catch (error) {
    if (signal.aborted) grow(withEnd(answer, elapsed(), { kind: 'stopped' }));
    else grow(withEnd(answer, elapsed(), failureEnd(error, answer)));
  }
  invalidateMoney();
  return answer;
}

type Change = (answer: ChatAnswer, elapsedMs: number) => ChatAnswer;

/** The question in a form that the network can read, for browsers that cannot seal. */
async function* relayedChanges({ model, messages, tools, signal }: Asked): AsyncGenerator<Change> {
  const response = await send({
    method: 'POST',
    path: '/v1/chat/completions',
    body: {
      model,
      messages: forApi(messages),
      ...(tools.length > 0 && { tools }),
      stream: true,
      stream_options: { include_usage: true },
    },
    signal,
    headers: { 'x-dinf-routing': 'on' },
  });
  yield (answer) => ({ ...answer, serving: servingOf(response.headers) });
  for await (const { data, name } of eventsOf(response))
    if (name === 'message') yield (answer, elapsedMs) => withEvent(answer, data, elapsedMs);
}

async function* sealedChanges(asked: Asked): AsyncGenerator<Change> {
  const { sealedAnswer } = await import('./sealed-chat.ts');
  const events = sealedAnswer({ ...asked, messages: forApi(asked.messages) });
  for (let next = await events.next(); ; next = await events.next()) {
    const { done, value } = next;
    if (done) {
      yield (answer) => withSealedEnd(answer, value);
      return;
    }
    yield (answer, elapsedMs) => withSealedEvent(answer, value, elapsedMs);
  }
}

function failureEnd(error: unknown, { serving }: ChatAnswer): AnswerEnd {
  if (error instanceof SealedError)
    return { kind: serving ? 'failed' : 'refused', message: failureText(error) };
  if (error instanceof ApiFailure) return { kind: 'failed', message: failureText(error) };
  // The connection ended in the middle of the answer.
  if (error instanceof TypeError) return { kind: 'failed', message: '' };
  throw error;
}

const invalidateMoney = (): void => invalidate('account', 'balance', 'usage', 'keys');

const COST_TRIES = 5;
const COST_PAUSE_MS = 1_000;

/**
 * Adds the cost of an answer that was sealed or stopped; the ledger has it about a second later.
 * Returns the same answer if it has its cost, or if the ledger has none.
 */
export async function withCost(answer: ChatAnswer): Promise<ChatAnswer> {
  const id = answer.serving?.job;
  if (id === undefined || answer.costMicroUsd !== undefined) return answer;
  for (let tries = 0; tries < COST_TRIES; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, COST_PAUSE_MS));
    try {
      const { data } = await call('GET /v1/generation', { query: { id } });
      if (data.cost_micro_usd === null) continue;
      invalidateMoney();
      return {
        ...answer,
        costMicroUsd: data.cost_micro_usd,
        completionTokens: data.tokens_completion,
        ...(data.tokens_prompt !== null && { promptTokens: data.tokens_prompt }),
      };
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
    }
  }
  return answer;
}
