import type { Delta, Finish, Usage } from '#bus-schemas';
import type { Model } from '../models/model.ts';
import type { PromptPart } from '../models/prompt-part.ts';
import { Generation } from './generation.ts';

export type Chat = ConstructorParameters<typeof Generation>[0]['chat'];

/** The deltas of an answer whose tokens the model chose one after the other. */
export function answered(model: Model, parts: readonly PromptPart[], chat: Chat) {
  const deltas: Delta[] = [];
  let ended: { finish: Finish; usage: Usage } | undefined;
  const generation = new Generation({
    model,
    chat,
    maxTokens: 100,
    prompt: model.tokenizer.encode(model.template.render(chat)),
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
  for (const token of model.tokenizer.encode(parts))
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
