import type { FormatFamily, ModelFacts, NamedFormat } from './format.ts';
import { DEEPSEEK_FORMAT } from './formats/deepseek.ts';
import { GEMMA4_FORMAT } from './formats/gemma4.ts';
import { GLM_FORMAT } from './formats/glm.ts';
import { GLM4_FORMAT } from './formats/glm4.ts';
import { GRANITE_FORMAT } from './formats/granite.ts';
import { HARMONY_FORMAT } from './formats/harmony.ts';
import { HERMES_FORMAT } from './formats/hermes.ts';
import { LLAMA_FORMAT } from './formats/llama.ts';
import { MISTRAL_FORMAT } from './formats/mistral.ts';
import { NEMOTRON_FORMAT } from './formats/nemotron.ts';
import { PHI_FORMAT } from './formats/phi.ts';
import { PLAIN_FORMAT } from './formats/plain.ts';
import { QWEN_FORMAT } from './formats/qwen.ts';

/**
 * All formats of answers. A new one is a file of the folder `formats` and an entry here. The first one
 * that recognises a model reads its answers: those with more marks stand before those with fewer.
 */
const FAMILIES: readonly FormatFamily[] = [
  HARMONY_FORMAT,
  GEMMA4_FORMAT,
  MISTRAL_FORMAT,
  DEEPSEEK_FORMAT,
  GLM_FORMAT,
  GLM4_FORMAT,
  PHI_FORMAT,
  GRANITE_FORMAT,
  NEMOTRON_FORMAT,
  QWEN_FORMAT,
  HERMES_FORMAT,
  LLAMA_FORMAT,
];

/** Returns the format in which a model writes its answers. */
export function formatOf(facts: ModelFacts): NamedFormat {
  for (const family of FAMILIES) {
    const format = family.of(facts);
    if (format !== undefined) return { name: family.name, ...format };
  }
  return { name: PLAIN_FORMAT.name, ...PLAIN_FORMAT.of(facts) };
}

const namesOf = (list: 'signs' | 'texts') =>
  new Set([...FAMILIES, PLAIN_FORMAT].flatMap((family: FormatFamily) => family[list] ?? []));
/** Tokens that are structure, also in a vocabulary that counts them as text. */
export const ALWAYS_SIGNS: ReadonlySet<string> = namesOf('signs');
/** Tokens that are read as text, also in a vocabulary that counts them as structure. */
export const ALWAYS_TEXT: ReadonlySet<string> = namesOf('texts');
