import { join } from 'node:path';
import type { NewModel } from '#bus-schemas';

/**
 * A real model of two million weights, trained for this repository (training/). Unlike
 * simulated text, its answers can be checked for correctness.
 */
export const tinyModel: Omit<NewModel, 'createdAt'> = {
  id: 'dinf-tiny',
  displayName: 'dinf tiny: sums, spelling backwards, counting, JSON, tools',
  contextTokens: 2_048,
  maxOutputTokens: 1_024,
  builds: ['dinf-tiny-4bit'],
  traits: ['tools'],
  // The digest that `dinf weights` prints. A machine that has different files under this name gets
  // no jobs.
  weights: { 'dinf-tiny-4bit': 'ffde2034a12ef71df0bddb211d3a96cb4eb93b8abb7d237f5a9797860e04936e' },
  inputMicroUsdPerMillion: 1_000,
  outputMicroUsdPerMillion: 2_000,
};

export const tinyAlias = { alias: 'tiny', model: tinyModel.id };

export const TINY_MODEL_FOLDER = join(import.meta.dirname, 'dinf-tiny-4bit');
