import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { Family } from './family.ts';
import { GEMMA3 } from './gemma3.ts';
import { GEMMA4 } from './gemma4.ts';
import { GLM4, GLM4_MOE } from './glm4.ts';
import { GPT_OSS } from './gpt-oss.ts';
import { GRANITE } from './granite.ts';
import { LLAMA } from './llama.ts';
import { MISTRAL } from './mistral.ts';
import { OLMO2 } from './olmo2.ts';
import { PHI3 } from './phi3.ts';
import { QWEN2, QWEN2_MOE, QWEN3, QWEN3_MOE } from './qwen.ts';
import { QWEN3_5, QWEN3_NEXT } from './qwen-delta.ts';
import { QWEN3_VL, QWEN3_VL_MOE } from './qwen-vl.ts';
import { SMOLLM3 } from './smollm3.ts';

/** All families that the engines compute. A new one is a file of this folder and an entry here. */
const FAMILIES: readonly Family[] = [
  LLAMA,
  QWEN2,
  QWEN2_MOE,
  QWEN3,
  QWEN3_MOE,
  QWEN3_VL,
  QWEN3_VL_MOE,
  QWEN3_5,
  QWEN3_NEXT,
  GEMMA3,
  GEMMA4,
  GPT_OSS,
  MISTRAL,
  PHI3,
  SMOLLM3,
  OLMO2,
  GRANITE,
  GLM4,
  GLM4_MOE,
];

/** Returns the family of a configuration with this `model_type` and, if it has one, `text_config`. */
export function familyOf(modelType: unknown, textConfig: FieldReader | undefined): Family {
  const type = String(modelType).slice(0, 64);
  if (textConfig === undefined)
    return found((family) => family.types.includes(type), JSON.stringify(type));
  const textType = textConfig.anyText('model_type')?.slice(0, 64);
  return found(
    ({ types, nestedTypes = [] }) =>
      nestedTypes.includes(type) && (textType === undefined || types.includes(textType)),
    `${JSON.stringify(type)} with a text_config of type ${JSON.stringify(textType ?? 'none')}`,
  );
}

function found(matches: (family: Family) => boolean, name: string): Family {
  const family = FAMILIES.find(matches);
  if (family !== undefined) return family;
  const known = FAMILIES.flatMap(({ types, nestedTypes = [] }) => [...types, ...nestedTypes]);
  throw new ModelError(
    'unsupported_architecture',
    `model_type ${name} is not supported; supported are ${known.join(', ')}`,
  );
}
