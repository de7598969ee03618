import { ADDED_TOKENS, BYTES_PER_TOKEN, type EncodingTask, resultsOf } from '#bus-schemas';
import { ApiError } from '../../errors.ts';
import type { ChatIntent } from '../introspect.ts';
import { invalid, type JsonObject } from '../json.ts';
import { withoutVariant } from '../model-variant.ts';
import { checkParameters } from '../parameters/parameter.ts';
import { providerPreferences } from '../provider-preferences.ts';
import type { EncodingSurface } from './encoding-surface.ts';

/**
 * The properties of a request for an encoding that routing and settlement need. Each result counts as
 * one output token.
 */
export interface EncodingIntent
  extends Omit<ChatIntent, 'streamed' | 'includeUsage' | 'messageTexts'> {
  readonly task: EncodingTask;
  /** Names of the fields of the request that have no effect. */
  readonly ignored: readonly string[];
}

/**
 * Most tokens of one request. A rerank reads its query once for each document, so a small request
 * could otherwise ask for hours of work.
 */
export const MAX_TASK_TOKENS = 4_000_000;
const MAX_NAME = 128;

export function encodingIntent(surface: EncodingSurface, asked: JsonObject): EncodingIntent {
  const { fields, ignored } = checkParameters(surface.parameters, withoutVariant(asked));
  const { model } = fields;
  if (typeof model !== 'string' || model === '')
    throw invalid('model', 'model is required and must be a text.');
  if (model.length > MAX_NAME)
    throw new ApiError('model_not_found', 'There is no such model.', { param: 'model' });
  const task = surface.taskOf(fields);
  const { estimate, bound } = promptTokensOf(task);
  if (bound > MAX_TASK_TOKENS)
    throw new ApiError(
      'payload_too_large',
      `The texts may have up to ${bound} tokens together; a request has at most ${MAX_TASK_TOKENS}. The query of a rerank counts once for each document.`,
    );
  return {
    model,
    task,
    ignored,
    body: fields,
    requires: [task.k],
    promptEstimate: estimate,
    promptBound: bound,
    amounts: { inputTokens: estimate },
    maxOutputTokens: resultsOf(task),
    ...providerPreferences(fields['provider']),
  };
}

/**
 * The tokens of a task: an estimate for routing, and an upper bound for money. The bound is at most
 * `BYTES_PER_TOKEN` times the estimate, by which machines check what they are asked for.
 */
function promptTokensOf(task: EncodingTask): { estimate: number; bound: number } {
  if (task.k === 'rerank') {
    const passes = task.documents.length;
    const documentBytes = task.documents.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const bytes = passes * Buffer.byteLength(task.query) + documentBytes;
    return tokensOf({ bytes, tokens: 0, passes });
  }
  let [bytes, tokens] = [0, 0];
  for (const input of task.inputs)
    if (typeof input === 'string') bytes += Buffer.byteLength(input);
    else tokens += input.length;
  return tokensOf({ bytes, tokens, passes: task.inputs.length });
}

function tokensOf({ bytes, tokens, passes }: { bytes: number; tokens: number; passes: number }) {
  const known = tokens + ADDED_TOKENS * passes;
  return { estimate: Math.ceil(bytes / BYTES_PER_TOKEN) + known, bound: bytes + known };
}
