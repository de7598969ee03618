import type { Delta, TokenLogprob } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { invalid, isGiven, type JsonObject } from '../json.ts';
import { completionsParameters } from '../parameters/completions-parameters.ts';
import { DONE, finishReason, usageOf } from './openai-shapes.ts';
import { type AnswerHead, type StreamWriter, type Surface, sseData } from './surface.ts';

/**
 * `POST /v1/completions`: OpenAI's oldest API, with a prompt and a text. The prompt becomes a
 * message of the user, because all models of the catalog are chat models.
 */
export const completions: Surface = {
  path: '/v1/completions',
  parameters: completionsParameters,
  lower,
  stream: (head) => new CompletionStream(head),
  whole: (head, answer) => ({
    ...fieldsOf(head),
    choices: [choice(answer.text, answer.logprobs, finishReason(answer.end.finish))],
    usage: usageOf(answer.end),
  }),
  error: (error) => error.toBody(),
};

function lower(body: JsonObject): JsonObject {
  const { prompt, logprobs, ...rest } = body;
  const only = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt;
  if (typeof only !== 'string')
    throw invalid(
      'prompt',
      'prompt must be a string; several prompts, and prompts of token ids, are not supported.',
    );
  if (!isGiven(logprobs)) return { ...rest, messages: [{ role: 'user', content: only }] };
  if (!Number.isInteger(logprobs) || (logprobs as number) < 0 || (logprobs as number) > 5)
    throw invalid('logprobs', 'logprobs must be a whole number from 0 to 5.');
  return {
    ...rest,
    messages: [{ role: 'user', content: only }],
    logprobs: true,
    top_logprobs: logprobs,
  };
}

class CompletionStream implements StreamWriter {
  readonly #head: AnswerHead;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  delta(delta: Delta): string {
    return delta.k === 'text'
      ? this.#chunk({ choices: [choice(delta.text, delta.logprobs, null)] })
      : '';
  }

  finish(end: AttemptEnd): string {
    const last = this.#chunk({ choices: [choice('', undefined, finishReason(end.finish))] });
    return this.#head.includeUsage
      ? `${last}${this.#chunk({ choices: [], usage: usageOf(end) })}${DONE}`
      : last + DONE;
  }

  cut(error: ApiError): string {
    return sseData(error.toBody());
  }

  #chunk(fields: object): string {
    return sseData({ ...fieldsOf(this.#head), ...fields });
  }
}

function fieldsOf({ job, createdSeconds, model }: AnswerHead) {
  return { id: `cmpl-${job}`, object: 'text_completion', created: createdSeconds, model };
}

function choice(
  text: string,
  logprobs: readonly TokenLogprob[] | undefined,
  finish: string | null,
) {
  return {
    text,
    index: 0,
    logprobs: logprobs === undefined ? null : oldLogprobs(logprobs),
    finish_reason: finish,
  };
}

function oldLogprobs(logprobs: readonly TokenLogprob[]) {
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
  };
}
