import type { Engine } from '../engine/engine.ts';
import { runRequests } from './run-requests.ts';

const WORDS =
  'the sun rises over a quiet river and people walk slowly along its bank to work'.split(' ');
/** Ends each prompt, so that a model begins a long answer. */
const QUESTION = 'Count from 1 to 1000.';
const PROBES = [20, 80] as const;

/** Makes prompts of about a wanted number of tokens. */
export type BenchmarkText = (promptTokens: number, variant: number) => string;

/**
 * Measures how many tokens the model makes of a word and of its chat template, with two short
 * requests. They also compile the kernels of a GPU before the first measurement.
 */
export async function benchmarkTextFor(engine: Engine, build: string): Promise<BenchmarkText> {
  const tokens: number[] = [];
  for (const words of PROBES) {
    const { promptTokens } = await runRequests(engine, {
      build,
      scopes: [undefined],
      text: textOf(words, 0),
      answerTokens: 1,
    });
    tokens.push(promptTokens);
  }
  const [few = 0, many = 0] = tokens;
  const perWord = Math.max(0.1, (many - few) / (PROBES[1] - PROBES[0]));
  const template = few - perWord * PROBES[0];
  return (promptTokens, variant) =>
    textOf(Math.max(1, Math.floor((promptTokens - template) / perWord)), variant);
}

const textOf = (words: number, variant: number): string =>
  `${Array.from({ length: words }, (_, i) => WORDS[(i + variant) % WORDS.length]).join(' ')}. ${QUESTION}`;
