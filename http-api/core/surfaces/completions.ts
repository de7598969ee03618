import type { Delta, TokenLogprob } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { invalid, isGiven, type JsonObject } from '../json.ts';
import { completionsParameters } from '../parameters/completions-parameters.ts';
import type { ChoicesSum } from '../sum-of-ends.ts';
import { DONE, failedChoice, finishReason, usageOf } from './openai-shapes.ts';
import {
  type AnswerContent,
  type AnswerHead,
  type ChoiceWriter,
  type Surface,
  sseData,
} from './surface.ts';

/**
 * `POST /v1/completions`: OpenAI's oldest API, with a prompt and a text. The prompt becomes a
 * message of the user, because all models of the catalog are chat models.
 */
export const completions: Surface = {
  path: '/v1/completions',
  parameters: completionsParameters,
  lower,
  stream: (head) => new CompletionStream(head),
  whole: (head, content) => completionOf(head, [choiceOf(head, content)], content.end),
  choices: {
    stream: (head) => new CompletionStream(head),
    choice: choiceOf,
    failed: (error, index) => ({ text: '', index, logprobs: null, ...failedChoice(error) }),
    whole: completionOf,
  },
  error: (error) => error.toBody(),
};

function lower(body: JsonObject): JsonObject {
  const { prompt, logprobs, ...rest } = body;
  const only = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt;
  if (typeof only !== 'string')
    throw invalid(
      'prompt',
      'prompt must be a text, or a list of texts where several choices are possible; prompts of token ids are not supported in blind mode and in batches.',
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

class CompletionStream implements ChoiceWriter {
  readonly #head: AnswerHead;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  delta(delta: Delta): string {
    return delta.k === 'text'
      ? this.#chunk({ choices: [this.#choice(delta.text, delta.logprobs, null)] })
      : '';
  }

  finish(end: AttemptEnd): string {
    return this.last(end) + this.close(end);
  }

  last({ finish }: AttemptEnd): string {
    return this.#chunk({ choices: [this.#choice('', undefined, finishReason(finish))] });
  }

  failed(error: ApiError): string {
    const choice = { ...this.#choice('', undefined, null), ...failedChoice(error) };
    return this.#chunk({ choices: [choice] });
  }

  close(sum: ChoicesSum): string {
    const usage = this.#head.includeUsage && { choices: [], usage: usageOf(sum) };
    return `${usage ? this.#chunk(usage) : ''}${DONE}`;
  }

  cut(error: ApiError): string {
    return sseData(error.toBody());
  }

  #choice(text: string, logprobs: readonly TokenLogprob[] | undefined, finish: string | null) {
    return choice({ index: this.#head.choice ?? 0, text, logprobs, finish });
  }

  #chunk(fields: object): string {
    return sseData({ ...fieldsOf(this.#head), ...fields });
  }
}

function fieldsOf({ job, createdSeconds, model }: AnswerHead) {
  return { id: `cmpl-${job}`, object: 'text_completion', created: createdSeconds, model };
}

function choiceOf({ choice: index = 0 }: AnswerHead, { text, logprobs, end }: AnswerContent) {
  return choice({ index, text, logprobs, finish: finishReason(end.finish) });
}

function completionOf(head: AnswerHead, choices: readonly object[], sum: ChoicesSum) {
  return { ...fieldsOf(head), choices, usage: usageOf(sum) };
}

function choice({
  index,
  text,
  logprobs,
  finish,
}: {
  index: number;
  text: string;
  logprobs: readonly TokenLogprob[] | undefined;
  finish: string | null;
}) {
  return {
    text,
    index,
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
