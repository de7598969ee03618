import { OWN_ENGINES } from '../messages/vocabulary.ts';
import { Type } from '../type.ts';
import { flag, integerSetting, list, oneOf, path, text } from './setting-schemas.ts';

const { Optional: optional } = Type;

/** Settings of machines that serve, of simulated machines, and of the engines. */
export const providerSettings = {
  DINF_ENROL_TOKEN: optional(
    text({
      isSecret: true,
      description:
        'one-time token for the first start of `dinf provider`; unlike `--token`, it is not shown in the list of processes',
    }),
  ),
  DINF_ENROL_TOKENS: list({
    isSecret: true,
    description: 'one-time tokens for `dinf simulate`',
  }),
  DINF_ENGINE: oneOf(['auto', ...OWN_ENGINES, 'openai', 'none'], {
    default: 'auto',
    description:
      'engine that runs the models of `dinf provider` and of the real provider of `dinf up`: `reference` is plain TypeScript, `openai` is a model server that you run (not with `up`), `auto` selects the best that works, and `none` (only with `up`) starts no such provider',
  }),
  DINF_MODELS: list({
    separator: 'path delimiter',
    shownDefault: 'the tiny model',
    description: "model folders, or names of models in Hugging Face's cache",
  }),
  DINF_CONCURRENCY: integerSetting({
    default: 16,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'answers that one model generates at the same time',
  }),
  DINF_IDLE_MINUTES: integerSetting({
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    unit: 'minutes',
    description: 'time without a request after which a model is unloaded; `0` keeps it loaded',
  }),
  DINF_PREFIX_DISK_GB: integerSetting({
    default: 20,
    minimum: 0,
    maximum: 1_000_000,
    unit: 'gigabytes',
    description:
      'most space on the disk for encrypted pages of prompts, which requests that begin in the same way use again; `0` keeps none',
  }),
  DINF_PREFIX_DISK_HOURS: integerSetting({
    default: 6,
    minimum: 1,
    maximum: 24,
    unit: 'hours',
    description: 'time without a use after which pages of prompts are deleted from the disk',
  }),
  DINF_PREFIX_DISK_DAILY_GB: integerSetting({
    default: 100,
    minimum: 0,
    maximum: 1_000_000,
    unit: 'gigabytes',
    description:
      'most data of such pages that is written to the disk on one UTC day, because flash memory wears out',
  }),
  DINF_MLX: optional(
    path({
      shownDefault: "Homebrew's, or that of a Python package",
      description: 'folder with the `include` and `lib` of MLX for which the addon is built',
    }),
  ),
  DINF_CPU_FAST: flag({
    default: false,
    description:
      '`1` rounds inputs to 8 bits in the CPU engine: prompts and batches are faster, but some tokens differ from those of the other engines; has no effect on processors with AVX2 but without AVX-512, where it would not be faster',
  }),
  DINF_DRAFTS: oneOf(['auto', 'off'], {
    default: 'auto',
    description:
      'whether the engines guess several tokens of an answer and verify them in one step: `auto` does so where it was measured to be faster, and the answers are the same',
  }),
  DINF_RERANKERS: list({
    separator: 'path delimiter',
    shownDefault: 'none',
    description:
      'models, by folder or name, that are rerankers of the kind of Qwen3-Reranker, if their folders are those of chat models',
  }),
  DINF_DRAFT_MODELS: list({
    separator: 'path delimiter',
    shownDefault: 'none',
    description:
      'small models, by folder or name, that draft answers of larger ones with the same tokens, and assistants of Gemma 4; each model takes the first that fits',
  }),
  DINF_CPU_KERNELS: optional(
    oneOf(['avx2', 'portable'], {
      shownDefault: 'the best available',
      description: 'uses a smaller instruction set than the processor has, for tests',
    }),
  ),
};
