import {
  BYTES_PER_TOKEN,
  type Continuation,
  type EncodingRequest,
  type InferenceRequest,
  type JobOrder,
} from '#bus-schemas';
import { type Engine, RequestRefused, type Sequence, type Sink } from '../engine/engine.ts';

/** What an order asks for, opened. */
export type OrderedWork = InferenceRequest | EncodingRequest;

/** The answer that an order continues, if it does not ask for a new one. */
export const continuationIn = (work: OrderedWork): Continuation | undefined =>
  'task' in work ? undefined : work.continues;

/** Starts the work of an order. Throws RequestRefused if the engine refuses it at once. */
export function startWork(
  work: OrderedWork,
  { order, engine }: { readonly order: JobOrder; readonly engine: Engine },
  sink: Sink,
): Sequence {
  const { build, firstContentMs } = order;
  if ('task' in work) {
    if (engine.encode === undefined)
      throw new RequestRefused('invalid_request', {
        detail: 'The engine of this machine only writes answers.',
      });
    const mostTokens = BYTES_PER_TOKEN * order.promptTokens;
    return engine.encode({ build, task: work.task, mostTokens, firstContentMs }, sink);
  }
  const { chat, cacheScope, prefixTag, reportsIds, continues } = work;
  const request = {
    build,
    chat,
    maxTokens: Math.min(chat.max_tokens, order.maxOutputTokens),
    firstContentMs,
    ...(cacheScope !== undefined && { cacheScope }),
    ...(prefixTag !== undefined && { prefixTag }),
    ...(reportsIds && { reportsIds }),
    ...(continues && { answerTokens: continues.tokens }),
  };
  return engine.generate(request, sink);
}
