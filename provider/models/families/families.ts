import { ModelError } from '../model-error.ts';
import type { Family } from './family.ts';
import { GEMMA3 } from './gemma3.ts';
import { GPT_OSS } from './gpt-oss.ts';
import { LLAMA } from './llama.ts';
import { QWEN2, QWEN3, QWEN3_MOE } from './qwen.ts';

/** All families that the engines compute. A new one is a file of this folder and an entry here. */
const FAMILIES: readonly Family[] = [LLAMA, QWEN2, QWEN3, QWEN3_MOE, GEMMA3, GPT_OSS];

/** Returns the family of a configuration. `isNested` means that it has a `text_config`. */
export function familyOf(modelType: unknown, isNested: boolean): Family {
  const type = String(modelType).slice(0, 64);
  const typesOf = ({ types, nestedTypes = [] }: Family) => (isNested ? nestedTypes : types);
  const family = FAMILIES.find((known) => typesOf(known).includes(type));
  if (family !== undefined) return family;
  const nested = isNested ? ' with a text_config' : '';
  throw new ModelError(
    'unsupported_architecture',
    `model_type ${JSON.stringify(type)}${nested} is not supported; supported are ${FAMILIES.flatMap(typesOf).join(', ')}`,
  );
}
