import type { NewModel, Trait } from '#bus-schemas';

/**
 * A build that only simulated providers serve. Its name begins with `sim-`, so that users see this.
 */
export interface SimulatedBuild {
  readonly build: string;
  readonly weightsGb: number;
  readonly parametersBillion: number;
  readonly contextTokens: number;
  readonly kvBytesPerToken: number;
  readonly traits: readonly Trait[];
}

export const simulatedBuilds: readonly [SimulatedBuild, ...SimulatedBuild[]] = [
  {
    build: 'sim-llama-8b-q4',
    weightsGb: 4.5,
    parametersBillion: 8,
    contextTokens: 131_072,
    kvBytesPerToken: 131_072,
    traits: ['tools', 'reasoning'],
  },
  {
    build: 'sim-qwen-32b-q4',
    weightsGb: 18.5,
    parametersBillion: 32,
    contextTokens: 40_960,
    kvBytesPerToken: 262_144,
    traits: ['tools', 'reasoning'],
  },
  {
    build: 'sim-vision-7b-q4',
    weightsGb: 5.5,
    parametersBillion: 7,
    contextTokens: 32_768,
    kvBytesPerToken: 57_344,
    traits: ['tools', 'vision'],
  },
  {
    build: 'sim-embed-f16',
    weightsGb: 0.3,
    parametersBillion: 0.15,
    contextTokens: 512,
    kvBytesPerToken: 1_024,
    traits: ['embeddings'],
  },
  {
    build: 'sim-rerank-f16',
    weightsGb: 0.3,
    parametersBillion: 0.15,
    contextTokens: 512,
    kvBytesPerToken: 1_024,
    traits: ['rerank'],
  },
];

export const simulatedAliases: readonly { alias: string; model: string }[] = [
  { alias: 'sim', model: 'sim-llama-8b' },
];

/** The models that `dinf up` adds to the catalog. */
export const simulatedModels: readonly Omit<NewModel, 'createdAt'>[] = [
  {
    id: 'sim-llama-8b',
    displayName: 'Simulated Llama 8B',
    contextTokens: 131_072,
    maxOutputTokens: 8_192,
    builds: ['sim-llama-8b-q4'],
    quantizations: { 'sim-llama-8b-q4': 'int4' },
    traits: ['tools', 'reasoning'],
    inputMicroUsdPerMillion: 20_000,
    outputMicroUsdPerMillion: 50_000,
  },
  {
    id: 'sim-vision-7b',
    displayName: 'Simulated Vision 7B',
    contextTokens: 32_768,
    maxOutputTokens: 8_192,
    builds: ['sim-vision-7b-q4'],
    quantizations: { 'sim-vision-7b-q4': 'int4' },
    traits: ['tools', 'vision'],
    inputMicroUsdPerMillion: 30_000,
    outputMicroUsdPerMillion: 90_000,
  },
  {
    id: 'sim-qwen-32b',
    displayName: 'Simulated Qwen 32B',
    contextTokens: 40_960,
    maxOutputTokens: 8_192,
    builds: ['sim-qwen-32b-q4'],
    quantizations: { 'sim-qwen-32b-q4': 'int4' },
    traits: ['tools', 'reasoning'],
    inputMicroUsdPerMillion: 80_000,
    outputMicroUsdPerMillion: 280_000,
  },
  {
    id: 'sim-embed',
    displayName: 'Simulated embeddings',
    contextTokens: 512,
    maxOutputTokens: 1,
    builds: ['sim-embed-f16'],
    quantizations: { 'sim-embed-f16': 'fp16' },
    traits: ['embeddings'],
    inputMicroUsdPerMillion: 10_000,
    outputMicroUsdPerMillion: 0,
  },
  {
    id: 'sim-rerank',
    displayName: 'Simulated reranker',
    contextTokens: 512,
    maxOutputTokens: 1,
    builds: ['sim-rerank-f16'],
    quantizations: { 'sim-rerank-f16': 'fp16' },
    traits: ['rerank'],
    inputMicroUsdPerMillion: 10_000,
    outputMicroUsdPerMillion: 0,
  },
];
