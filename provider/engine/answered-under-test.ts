import { expect } from 'vitest';
import type { Delta, Finish, Usage } from '#bus-schemas';
import type { Model } from '../models/model.ts';
import type { PromptPart } from '../models/prompt-part.ts';
import { Generation } from './generation.ts';

export type Chat = ConstructorParameters<typeof Generation>[0]['chat'];

/**
 * The deltas of an answer whose tokens the model chose one after the other. Another engine that
 * continues the answer from any of its tokens must write the same.
 */
export function answered(model: Model, parts: readonly PromptPart[], chat: Chat) {
  const tokens = model.tokenizer.encode(parts);
  const whole = generated(model, { chat, answerTokens: [], tokens });
  for (let known = 1; known < tokens.length; known += 1) {
    const options = { answerTokens: tokens.slice(0, known), tokens: tokens.slice(known) };
    const { deltas, ended } = generated(model, { chat, ...options });
    expect(deltas.map(withoutId)).toEqual(whole.deltas.map(withoutId));
    expect(ended).toEqual(whole.ended);
  }
  return whole;
}

/** The ids of calls are random. */
const withoutId = (delta: Delta) => (delta.k === 'tool' ? { ...delta, id: undefined } : delta);

function generated(
  model: Model,
  {
    chat,
    answerTokens,
    tokens,
  }: { chat: Chat; answerTokens: readonly number[]; tokens: readonly number[] },
) {
  const deltas: Delta[] = [];
  let ended: { finish: Finish; usage: Usage } | undefined;
  const generation = new Generation({
    model,
    chat,
    maxTokens: 100,
    prompt: model.tokenizer.encode(model.template.render(chat)),
    answerTokens,
    thinksFirst: false,
    scope: 'test',
    isUrgent: false,
    constraint: undefined,
    sink: {
      delta: (delta) => void deltas.push(delta),
      end: (finish, usage) => {
        ended = { finish, usage };
      },
      refuse: () => {},
    },
    cachedTokens: () => 0,
    onEnd: () => {},
  });
  const isOver = generation.takeBeginning() !== undefined;
  for (const token of isOver ? [] : tokens)
    if (generation.choose(token, undefined) === undefined) break;
  generation.end('done');
  const textOf = (k: Delta['k']) =>
    deltas.map((delta) => (delta.k === k ? delta.text : '')).join('');
  return {
    deltas,
    ended,
    text: textOf('text'),
    reasoning: textOf('reasoning'),
    tool: textOf('tool'),
  };
}
