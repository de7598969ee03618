import type { FastifyRequest } from 'fastify';
import type { CatalogModel } from '#bus-schemas';
import type { TokenCounter } from '#coordinator/tokenizers/token-counter.ts';
import { tokenizerPath } from '#coordinator/tokenizers/tokenizer-files.ts';
import type { ChatIntent } from '#http-api/core/introspect.ts';
import { promptText } from '#http-api/core/prompt-text.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import type { KeyPolicy } from '../key-policy.ts';
import type { OwnMachines } from '../own-machines.ts';
import { keyOf } from './authenticate.ts';
import { calledModel } from './called-model.ts';

export interface CountDeps {
  readonly catalog: CatalogCache;
  readonly ownMachines: OwnMachines;
  readonly policy: KeyPolicy;
  readonly counter: TokenCounter;
  /** The folder that contains the tokenizers. */
  readonly home: string;
}

/** Largest text that is counted with the tokenizer, in characters; a larger one is estimated. */
const MAX_COUNTED_CHARACTERS = 1_000_000;
/** Time for one count, in milliseconds. */
const COUNT_MS = 2_000;

/** Number of tokens of a prompt for the model of the request. */
export async function countTokens(
  intent: ChatIntent,
  request: FastifyRequest,
  { catalog, ownMachines, policy, counter, home }: CountDeps,
): Promise<number> {
  const caller = keyOf(request);
  const { model } = await calledModel(intent.model, caller, { catalog, ownMachines });
  policy.checkModel(caller, intent.model, model);
  const { refusal } = await policy.take(caller, { inputTokens: 0, outputTokens: 0 });
  if (refusal !== undefined) throw refusal;
  const { text, framingTokens } = promptText(intent.body);
  const counted = await countText(text, model, { counter, home });
  return counted === undefined ? intent.promptEstimate : counted + framingTokens;
}

/** Number of tokens of a text; undefined if the tokenizer is missing, or took too long. */
async function countText(
  text: string,
  { tokenizer: digest }: CatalogModel,
  { counter, home }: Pick<CountDeps, 'counter' | 'home'>,
): Promise<number | undefined> {
  if (digest === undefined || text.length > MAX_COUNTED_CHARACTERS) return undefined;
  const question = { path: tokenizerPath(home, digest), digest, text };
  const counted = await counter.count(question, COUNT_MS);
  return counted.ok ? counted.tokens : undefined;
}
