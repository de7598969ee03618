import { setImmediate } from 'node:timers/promises';
import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import { countedTokens, type EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import { ModelError } from '../../models/model-error.ts';
import { type EncodingWork, RequestRefused } from '../engine.ts';

/** Time after which other work of the process gets its turn, in milliseconds. */
const TURN_MS = 10;

/**
 * The tokens of all texts of a task. Throws RequestRefused if a text is too long or has a token that
 * the model does not have, or if there are more tokens than the request announced.
 */
export async function readInputs(
  { task, mostTokens }: EncodingWork,
  model: EncoderModel,
): Promise<EncoderInput[]> {
  const { tokenizer, contextTokens: most, dimensions } = model;
  if (task.k === 'embeddings' && (task.dimensions ?? 0) > dimensions)
    throw new RequestRefused('invalid_request', {
      detail: `dimensions is larger than the ${dimensions} numbers of the vectors of this model.`,
    });
  const reading = { most, truncate: task.truncate === true };
  if (task.k === 'rerank' && model.kind === 'bert' && model.shape.kinds < 2)
    throw new RequestRefused('invalid_request', { detail: 'The model reads no pairs of texts.' });
  const readPair = task.k === 'rerank' && refusing(() => tokenizer.pairsOf(task.query));
  const texts = task.k === 'rerank' ? task.documents : task.inputs;
  const inputs: EncoderInput[] = [];
  let tokens = 0;
  let began = performance.now();
  for (const text of texts) {
    const input = refusing(() =>
      readPair ? readPair(String(text), reading) : tokenizer.single(text, reading),
    );
    if (input === 'too_long')
      throw new RequestRefused('request_exceeds_context', {
        detail: `A text has more than the ${most} tokens that this model reads.`,
      });
    tokens += countedTokens(input);
    if (tokens > mostTokens)
      throw new RequestRefused('invalid_request', {
        detail: 'The texts have more tokens than the request announced.',
      });
    inputs.push(input);
    if (performance.now() - began > TURN_MS) {
      await setImmediate();
      began = performance.now();
    }
  }
  return inputs;
}

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const detail = cause instanceof ModelError ? cause.message : undefined;
    throw new RequestRefused('invalid_request', { ...(detail && { detail }), cause });
  }
}
