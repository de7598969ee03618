import type { FastifyRequest } from 'fastify';
import { type CatalogModel, encodingOf } from '#bus-schemas';
import type { ChatIntent } from '#http-api/core/introspect.ts';
import { priceTerms, withQuantizations } from '#http-api/core/provider-preferences.ts';
import { ApiError } from '#http-api/errors.ts';
import type { AdmissionQueue } from '../admission-queue.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { checkNotShed, deprecationHeaders } from '../core/model-access.ts';
import type { KeyCaller } from '../identity/key-cache.ts';
import type { JobSpec } from '../job-spec.ts';
import type { KeyPolicy, WantedMachines } from '../key-policy.ts';
import type { OwnMachines } from '../own-machines.ts';
import { keyOf } from './authenticate.ts';
import { calledModel } from './called-model.ts';

export interface AdmissionDeps {
  readonly policy: KeyPolicy;
  readonly catalog: CatalogCache;
  readonly ownMachines: OwnMachines;
  /** True when an ingress that is about to stop refuses new requests. */
  readonly isClosed: () => boolean;
  readonly admission: AdmissionQueue;
  readonly now: () => number;
}

/** The properties of a request that admission needs, in relay mode as in blind mode. */
export type JobWish = Omit<ChatIntent, 'body' | 'messageTexts' | 'streamed' | 'includeUsage'>;

type AdmittedJob = Omit<
  JobSpec,
  | 'id'
  | 'receivedAt'
  | 'streamed'
  | 'clientSeals'
  | 'conversation'
  | 'prefixes'
  | 'seal'
  | 'recount'
>;

/** The API key for which a job runs, and what the headers of its request ask for. */
export interface JobCaller {
  readonly key: KeyCaller;
  /** Which machines of the caller may serve; undefined without a wish. */
  readonly route: unknown;
  /** The caller asks why its machine is chosen. */
  readonly explains: boolean;
  readonly isBatchLine: boolean;
}

export const jobCallerOf = (request: FastifyRequest): JobCaller => ({
  key: keyOf(request),
  route: request.headers['x-dinf-route'],
  explains: request.headers['x-dinf-routing'] === 'on',
  isBatchLine: false,
});

export interface JobAdmission {
  /** Headers about the limits of key and account, and about the deprecation of the model. */
  readonly headers: Readonly<Record<string, string>>;
  /** The error of a request above its limits; it has been counted all the same. */
  readonly refusal: ApiError | undefined;
  readonly job: AdmittedJob;
}

/**
 * Refuses a request of an overloaded ingress before its key is checked and its body is read, as a
 * hook of its route.
 */
export const earlyRefusal =
  ({ admission }: Pick<AdmissionDeps, 'admission'>) =>
  async (): Promise<void> => {
    if (admission.isFull) throw new ApiError('overloaded');
  };

/** Waits until a new request may begin. Throws if this ingress takes none. */
export async function mayBegin({
  isClosed,
  admission,
}: Pick<AdmissionDeps, 'isClosed' | 'admission'>): Promise<void> {
  if (isClosed()) throw new ApiError('draining');
  await admission.enter();
}

/**
 * Applies the rules for a new job, in a fixed order: model, traits, length, machines, shedding,
 * rate limits, price.
 */
export async function admitJob(
  wish: JobWish,
  { key: caller, route, explains, isBatchLine }: JobCaller,
  { catalog, ownMachines, policy, now }: AdmissionDeps,
): Promise<JobAdmission> {
  const { model: offered, isInCatalog } = await calledModel(wish.model, caller, {
    catalog,
    ownMachines,
  });
  policy.checkModel(caller, wish.model, offered);
  checkCapable(wish, offered);
  const model = withQuantizations(offered, wish.quantizations);
  const maxOutputTokens = outputLimit(wish, model);
  // A build without a catalog entry has no price: only its owner's machines may serve it.
  const machines = await policy.machinesFor(caller, wish, isInCatalog ? route : 'self');
  if (machines.areOwn !== true) checkNotShed(offered, now());
  const { promptEstimate, promptBound, requires, level, amounts } = wish;
  const { headers, refusal } = await policy.take(caller, {
    ...amounts,
    outputTokens: maxOutputTokens,
  });
  const job = {
    account: caller.account,
    key: caller.key,
    model,
    requires,
    level,
    promptEstimate,
    promptBound,
    maxOutputTokens,
    explains,
    isBatchLine,
    ...whoServes(wish, model, machines),
  };
  return { headers: { ...headers, ...deprecationHeaders(offered) }, refusal, job };
}

/** The field of a request that asks for each trait, for the error message. */
const TRAIT_FIELDS = {
  tools: 'tools',
  vision: 'messages',
  reasoning: 'reasoning_effort',
  embeddings: 'model',
  rerank: 'model',
} as const;

/**
 * Which machines may serve the job, and which are tried first. Callers do not pay for their own
 * machines, so a price limit has no meaning there.
 */
function whoServes(
  { ignore, prefers, maxPrice }: JobWish,
  model: CatalogModel,
  machines: WantedMachines,
): Pick<JobSpec, 'machines' | 'ignore' | 'prefers' | 'maxPrice' | 'price'> {
  const common = { machines, ignore, prefers };
  if (machines.areOwn) return { ...common, maxPrice: undefined, price: undefined };
  const exempt = machines.first.length > 0 && { exempt: [...machines.first] };
  return { ...common, maxPrice, price: { ...priceTerms(model, maxPrice), ...exempt } };
}

function checkCapable({ requires }: JobWish, { id, traits = [] }: CatalogModel): void {
  const encoding = encodingOf(traits);
  if (encoding !== undefined && encodingOf(requires) === undefined)
    throw new ApiError(
      'invalid_request',
      `${id} writes no answers: call /v1/${encoding} with it, or choose another model.`,
      { param: 'model' },
    );
  const missing = requires.find((trait) => !traits.includes(trait));
  if (missing !== undefined)
    throw new ApiError('invalid_request', `${id} cannot do this: it has no ${missing}.`, {
      param: TRAIT_FIELDS[missing],
    });
}

/**
 * Output limit of the job: the smaller of the caller's limit and the model's. An encoding has as many
 * results as texts, and the machine compares each text with the context of the model.
 */
function outputLimit(wish: JobWish, model: CatalogModel): number {
  if (encodingOf(wish.requires) !== undefined) return wish.maxOutputTokens ?? 1;
  const room = model.contextTokens - wish.promptEstimate;
  if (room < 1) {
    const { contextTokens } = model;
    // Clients recognise this error by its text: Claude Code by Anthropic's first sentence, LiteLLM by
    // OpenAI's second one. They then shorten the conversation, or choose another model.
    throw new ApiError(
      'context_length_exceeded',
      `prompt is too long: ${wish.promptEstimate} tokens > ${contextTokens} maximum. This model's maximum context length is ${contextTokens} tokens.`,
      { param: 'messages' },
    );
  }
  return Math.min(wish.maxOutputTokens ?? model.maxOutputTokens, model.maxOutputTokens, room);
}
