import type { FormatFamily, ModelFacts, NamedFormat } from './format.ts';
import { DEEPSEEK } from './formats/deepseek.ts';
import { GEMMA4 } from './formats/gemma4.ts';
import { GLM } from './formats/glm.ts';
import { GLM4 } from './formats/glm4.ts';
import { GRANITE } from './formats/granite.ts';
import { HARMONY } from './formats/harmony.ts';
import { HERMES } from './formats/hermes.ts';
import { LLAMA } from './formats/llama.ts';
import { MISTRAL } from './formats/mistral.ts';
import { NEMOTRON } from './formats/nemotron.ts';
import { PHI } from './formats/phi.ts';
import { PLAIN } from './formats/plain.ts';
import { QWEN } from './formats/qwen.ts';

/**
 * All formats of answers. A new one is a file of the folder `formats` and an entry here. The first one
 * that recognises a model reads its answers: those with more marks stand before those with fewer.
 */
const FAMILIES: readonly FormatFamily[] = [
  HARMONY,
  GEMMA4,
  MISTRAL,
  DEEPSEEK,
  GLM,
  GLM4,
  PHI,
  GRANITE,
  NEMOTRON,
  QWEN,
  HERMES,
  LLAMA,
];

/** Returns the format in which a model writes its answers. */
export function formatOf(facts: ModelFacts): NamedFormat {
  for (const family of FAMILIES) {
    const format = family.of(facts);
    if (format !== undefined) return { name: family.name, ...format };
  }
  return { name: PLAIN.name, ...PLAIN.of(facts) };
}

const namesOf = (list: 'signs' | 'texts') =>
  new Set([...FAMILIES, PLAIN].flatMap((family: FormatFamily) => family[list] ?? []));
/** Tokens that are structure, also in a vocabulary that counts them as text. */
export const ALWAYS_SIGNS: ReadonlySet<string> = namesOf('signs');
/** Tokens that are read as text, also in a vocabulary that counts them as structure. */
export const ALWAYS_TEXT: ReadonlySet<string> = namesOf('texts');
