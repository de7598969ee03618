import type { FastifyRequest } from 'fastify';
import type { CatalogModel } from '#bus-schemas';
import type { TokenCounter } from '#coordinator/tokenizers/token-counter.ts';
import { tokenizerPath } from '#coordinator/tokenizers/tokenizer-files.ts';
import type { CountedPrompt } from '#http-api/core/prompt-text.ts';
import { type CountCall, promptOf } from '#http-api/count-routes.ts';
import type { BodyThreads } from '../bodies/body-threads.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import type { KeyPolicy } from '../key-policy.ts';
import type { OwnMachines } from '../own-machines.ts';
import { keyOf } from './authenticate.ts';
import { calledModel } from './called-model.ts';
import { largeBodyOf } from './large-request.ts';

export interface CountDeps {
  readonly catalog: CatalogCache;
  readonly ownMachines: OwnMachines;
  readonly policy: KeyPolicy;
  readonly counter: TokenCounter;
  /** The folder that contains the tokenizers. */
  readonly home: string;
}

/** Time for one count, in milliseconds. */
const COUNT_MS = 2_000;

/** Reads a request whose prompt is counted, in a thread if it is large. */
export async function readCounted(call: CountCall, threads: BodyThreads): Promise<CountedPrompt> {
  const { surface, filling, request } = call;
  await using large = await largeBodyOf(request, threads);
  return (await large?.counted(surface, { ...filling, ...large.fields })) ?? promptOf(call);
}

/** Number of tokens of a prompt for the model of the request. */
export async function countTokens(
  { model: name, promptEstimate, text, framingTokens }: CountedPrompt,
  request: FastifyRequest,
  { catalog, ownMachines, policy, counter, home }: CountDeps,
): Promise<number> {
  const caller = keyOf(request);
  const { model } = await calledModel(name, caller, { catalog, ownMachines });
  policy.checkModel(caller, name, model);
  const { refusal } = await policy.take(caller, { inputTokens: 0, outputTokens: 0 });
  if (refusal !== undefined) throw refusal;
  const counted = text === undefined ? undefined : await countText(text, model, { counter, home });
  return counted === undefined ? promptEstimate : counted + framingTokens;
}

/** Number of tokens of a text; undefined if the tokenizer is missing, or took too long. */
async function countText(
  text: string,
  { tokenizer: digest }: CatalogModel,
  { counter, home }: Pick<CountDeps, 'counter' | 'home'>,
): Promise<number | undefined> {
  if (digest === undefined) return undefined;
  const question = { path: tokenizerPath(home, digest), digest, text };
  const counted = await counter.count(question, COUNT_MS);
  return counted.ok ? counted.tokens : undefined;
}
