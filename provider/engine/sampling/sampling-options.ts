import { randomInt } from 'node:crypto';
import type { InferenceRequest } from '#bus-schemas';
import type { SamplingOptions } from './sampler.ts';

const MAX_BIASES = 1_024;

/**
 * Reads the sampling options. Fields outside the contract arrive unchecked, so each is checked and
 * clamped here.
 */
export function samplingOf(chat: InferenceRequest['chat']): SamplingOptions {
  const fields = chat as Readonly<Record<string, unknown>>;
  const number = (name: string, { or, min, max }: { or: number; min: number; max: number }) => {
    const value = fields[name];
    return typeof value === 'number' && Number.isFinite(value)
      ? Math.min(max, Math.max(min, value))
      : or;
  };
  const biases = fields['logit_bias'];
  const logitBias = new Map<number, number>();
  if (typeof biases === 'object' && biases !== null) {
    for (const [token, bias] of Object.entries(biases).slice(0, MAX_BIASES))
      if (Number.isSafeInteger(Number(token)) && typeof bias === 'number')
        logitBias.set(Number(token), Math.min(100, Math.max(-100, bias)));
  }
  return {
    temperature: number('temperature', { or: 1, min: 0, max: 2 }),
    topP: number('top_p', { or: 1, min: 0, max: 1 }),
    topK: Math.floor(number('top_k', { or: 0, min: 0, max: 1_000_000 })),
    minP: number('min_p', { or: 0, min: 0, max: 1 }),
    repetitionPenalty: number('repetition_penalty', { or: 1, min: 0.01, max: 10 }),
    frequencyPenalty: number('frequency_penalty', { or: 0, min: -2, max: 2 }),
    presencePenalty: number('presence_penalty', { or: 0, min: -2, max: 2 }),
    logitBias,
    seed: chat.seed ?? randomInt(2 ** 47),
  };
}
