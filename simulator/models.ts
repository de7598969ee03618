import type { NewModel } from '#bus-schemas';

/** Models that only the simulator serves; the name says so wherever it is seen. */
export interface SimulatedBuild {
  readonly build: string;
  readonly weightsGb: number;
  readonly parametersBillion: number;
  readonly contextTokens: number;
  readonly kvBytesPerToken: number;
}

export const simulatedBuilds: readonly SimulatedBuild[] = [
  { build: 'sim-llama-8b-q4', weightsGb: 4.5, parametersBillion: 8, contextTokens: 131_072, kvBytesPerToken: 131_072 },
  { build: 'sim-qwen-32b-q4', weightsGb: 18.5, parametersBillion: 32, contextTokens: 40_960, kvBytesPerToken: 262_144 },
];

const small = {
  displayName: 'Simulated Llama 8B',
  contextTokens: 131_072,
  maxOutputTokens: 8_192,
  builds: ['sim-llama-8b-q4'],
  inputMicroUsdPerMillion: 20_000,
  outputMicroUsdPerMillion: 50_000,
};

/** What `dinf up` puts into the catalog. `sim` is an alias. */
export const simulatedModels: readonly Omit<NewModel, 'createdAt'>[] = [
  { id: 'sim-llama-8b', ...small },
  { id: 'sim', ...small },
  {
    id: 'sim-qwen-32b',
    displayName: 'Simulated Qwen 32B',
    contextTokens: 40_960,
    maxOutputTokens: 8_192,
    builds: ['sim-qwen-32b-q4'],
    inputMicroUsdPerMillion: 80_000,
    outputMicroUsdPerMillion: 280_000,
  },
];
