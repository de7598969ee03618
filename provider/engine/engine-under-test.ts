import type { Delta, Finish, PromptUsage, Usage } from '#bus-schemas';
import type { Engine, GenerationRequest, Sequence } from './engine.ts';

/** The output of one request, collected from its sink. */
export interface Answer {
  /** Undefined if the engine stated no tokens of the prompt before its first delta. */
  readonly prompt: PromptUsage | undefined;
  readonly deltas: Delta[];
  readonly text: string;
  readonly calls: { readonly name: string; text: string }[];
  readonly finish: Finish;
  readonly usage: Usage;
  readonly stopSequence: string | undefined;
}

export function begin(
  engine: Engine,
  request: GenerationRequest,
  onDelta: (delta: Delta, sequence: () => Sequence) => void = () => {},
): { answer: Promise<Answer>; sequence: Sequence } {
  const { promise: answer, resolve, reject } = Promise.withResolvers<Answer>();
  const deltas: Delta[] = [];
  let prompt: PromptUsage | undefined;
  const sequence: Sequence = engine.generate(request, {
    begun: (usage) => {
      prompt = usage;
    },
    delta: (delta) => {
      deltas.push(delta);
      onDelta(delta, () => sequence);
    },
    refuse: reject,
    end: (finish, usage, { stopSequence } = {}) =>
      resolve({
        prompt,
        deltas,
        finish,
        usage,
        stopSequence,
        text: deltas.map((delta) => (delta.k === 'text' ? delta.text : '')).join(''),
        calls: callsOf(deltas),
      }),
  });
  return { answer, sequence };
}

function callsOf(deltas: readonly Delta[]): Answer['calls'] {
  const calls: Answer['calls'] = [];
  for (const delta of deltas) {
    if (delta.k !== 'tool') continue;
    if (delta.name !== undefined) calls.push({ name: delta.name, text: '' });
    (calls.at(-1) as { text: string }).text += delta.text;
  }
  return calls;
}
