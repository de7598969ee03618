import type { ModelFolder } from '../model-folder.ts';
import { isBert } from './encoder-shape.ts';
import { attendsBothWays } from './reading-decoder.ts';
import { asksForPairs } from './score-tokens.ts';
import { MODULES_FILE } from './sentence-modules.ts';
import { endsTexts } from './text-tokenizer.ts';

/**
 * Whether a folder holds a model for embeddings or reranking, which is opened by `openEncoder`. The
 * decoders among them have the `model_type` of models that write answers. What tells them apart are
 * the files of sentence-transformers and attention to later tokens. A conversion by mlx-lm has no
 * such files. The tokenizer of one for embeddings ends each text with a mark, which that of a chat model
 * never does, and the chat template of a reranker has the prompt of Qwen3-Reranker.
 */
export async function holdsEncoder(folder: ModelFolder): Promise<boolean> {
  const config = await folder.json('config.json');
  if (isBert(config) || attendsBothWays(config)) return true;
  const names = await folder.names();
  if (names.includes(MODULES_FILE)) return true;
  return config['model_type'] === 'qwen3' && ((await asksForPairs(folder)) || endsItsTexts(folder));
}

async function endsItsTexts(folder: ModelFolder): Promise<boolean> {
  const tokenizer = await folder.jsonIfAny('tokenizer.json');
  return tokenizer !== undefined && endsTexts(tokenizer);
}
