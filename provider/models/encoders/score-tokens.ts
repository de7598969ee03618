import { templateIn } from '../chat-template.ts';
import { chosenMatrix } from '../chosen-rows.ts';
import type { Matrix } from '../decoder-weights.ts';
import { FieldReader } from '../field-reader.ts';
import { isObject, type JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { ModelFolder } from '../model-folder.ts';
import type { PairPrompt } from './encoder-tokenizer.ts';
import type { SentenceModule } from './sentence-modules.ts';

/** The tokens whose logits a reranker compares: "yes" and "no" in Qwen3-Reranker. */
export interface ScoreTokens {
  readonly relevant: number;
  readonly irrelevant: number;
}

const SYSTEM =
  'Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".';
const INSTRUCTION = 'Given a web search query, retrieve relevant passages that answer the query';
const [START, END] = ['<|im_start|>', '<|im_end|>'] as const;

/** The prompt that Qwen publishes for Qwen3-Reranker, with its usual instruction. */
export const PROMPT: PairPrompt = {
  before: [{ sign: START }, `system\n${SYSTEM}`, { sign: END }, '\n', { sign: START }, 'user\n'],
  inner: (query, document) =>
    `<Instruct>: ${INSTRUCTION}\n<Query>: ${query}\n<Document>: ${document}`,
  after: [{ sign: END }, '\n', { sign: START }, 'assistant\n<think>\n\n</think>\n\n'],
};

/** Whether the steps are those of a reranker that compares two logits. */
export const comparesTokens = (modules: readonly SentenceModule[]): boolean =>
  modules.some(({ kind }) => kind === 'logit_score');

/** Whether the chat template has the prompt of Qwen3-Reranker. */
export async function asksForPairs(folder: ModelFolder): Promise<boolean> {
  const template =
    (await folder.textIfAny('chat_template.jinja')) ??
    templateIn((await folder.jsonIfAny('tokenizer_config.json')) ?? {});
  return template?.includes(SYSTEM.slice(0, SYSTEM.indexOf('.'))) === true;
}

/**
 * The tokens "yes" and "no" of a folder without the steps of sentence-transformers. Throws ModelError if its
 * tokenizer has no such tokens.
 */
export function wordTokens(tokenizer: JsonObject, vocabulary: number): ScoreTokens {
  const model = isObject(tokenizer['model']) ? tokenizer['model'] : {};
  const words = new FieldReader(
    isObject(model['vocab']) ? model['vocab'] : {},
    'tokenizer.json.model.vocab',
  );
  const token = (word: string) => words.integer(word, { min: 0, max: vocabulary - 1 });
  return { relevant: token('yes'), irrelevant: token('no') };
}

/**
 * Reads which tokens are compared. Throws ModelError unless the folder has the prompt of
 * Qwen3-Reranker: with another one, every score would be wrong.
 */
export async function readScoreTokens(
  folder: ModelFolder,
  modules: readonly SentenceModule[],
  vocabulary: number,
): Promise<ScoreTokens> {
  const [transformer, score, ...rest] = modules;
  if (transformer?.kind !== 'transformer' || score?.kind !== 'logit_score' || rest.length > 0)
    throw new ModelError(
      'unsupported_architecture',
      `a reranker with the steps ${modules.map(({ kind }) => kind).join(' ')} is not supported; supported is a transformer, then logit_score`,
    );
  if (!(await asksForPairs(folder)))
    throw new ModelError(
      'unsupported_architecture',
      'the chat template is not that of Qwen3-Reranker; other rerankers that compare logits are not supported',
    );
  const name = `${score.folder}/config.json`;
  const fields = new FieldReader(
    await (await folder.within(score.folder)).json('config.json'),
    name,
  );
  const token = (field: string) => fields.integer(field, { min: 0, max: vocabulary - 1 });
  return { relevant: token('true_token_id'), irrelevant: token('false_token_id') };
}

/** The rows of the two tokens in the matrix that computes logits. */
export const rowsOf = (lmHead: Matrix, { relevant, irrelevant }: ScoreTokens): Matrix =>
  chosenMatrix(lmHead, { period: lmHead.out, of: Int32Array.of(relevant, irrelevant) });
