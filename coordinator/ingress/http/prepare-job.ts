import { newJobId } from '#bus-schemas';
import { cacheScopeOf } from '#http-api/core/cache-scope.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import { ignoredHeader } from '#http-api/core/parameters/parameter.ts';
import type { AnswerHead, Surface } from '#http-api/core/surfaces/surface.ts';
import type { ApiError } from '#http-api/errors.ts';
import type { BodyThreads } from '../bodies/body-threads.ts';
import type { ChatCall, ChatTerms, ChatWish, EncodedChat } from '../bodies/chat-work.ts';
import { LargeBody, readHere } from '../bodies/request-body.ts';
import type { RemoteImages } from '../images/remote-images.ts';
import type { JobSpec } from '../job-spec.ts';
import { relaySealing, type SealFor } from '../relay-sealing.ts';
import { type AdmissionDeps, admitJob, type JobCaller } from './job-admission.ts';

export interface PrepareDeps extends AdmissionDeps {
  readonly now: () => number;
  readonly clock: () => number;
  readonly sealFor: SealFor;
  /** Fetches the images that requests name by their address; undefined if the operator allows no host. */
  readonly images: RemoteImages | undefined;
  readonly bodies: BodyThreads;
}

export interface InferenceCall {
  readonly surface: Surface;
  readonly body: JsonObject;
  readonly caller: JobCaller;
  /** The secret of the caller from which the scope of cached prompts is derived. */
  readonly secret: string;
  /** The body in its thread, if it is large; `body` then has stand-ins for its large fields. */
  readonly large?: LargeBody | undefined;
}

export interface PreparedJob {
  readonly spec: JobSpec;
  readonly wish: ChatWish;
  readonly head: AnswerHead;
  /** Headers with what is left of the limits of key and account, and with fields without effect. */
  readonly headers: Readonly<Record<string, string>>;
  /** The error of a request above its limits; it has been counted all the same. */
  readonly refusal: ApiError | undefined;
}

const NO_IMAGES: ReadonlyMap<string, string> = new Map();
/** Fields that no answer repeats or depends on, and that can be large. */
const CONVERSATION: ReadonlySet<string> = new Set(['messages', 'input', 'prompt', 'system']);

/** Checks a request, applies the rules for new jobs, and makes the job that answers it. */
export async function prepareJob(
  { surface, body, caller, secret, large }: InferenceCall,
  deps: PrepareDeps,
): Promise<PreparedJob> {
  const receivedAt = deps.clock();
  const { account } = caller.key;
  const fetchesImages = deps.images !== undefined;
  const call = { surface, body, owner: { account, secret }, fetchesImages };
  const reader = large ?? readHere();
  const { wish, ignored, addresses } = await reader.read(call);
  const { headers, refusal, job } = await admitJob(wish, caller, deps);
  const cacheScope = cacheScopeOf({ secret, kind: 'cache', now: deps.now() });
  const { maxOutputTokens } = job;
  const terms = { maxOutputTokens, cacheScope, model: job.model.id };
  // A request above its limits makes the ingress fetch nothing.
  const { promptBound, recount, topLogprobs, conversation, prefixes, encoded } =
    deps.images === undefined || addresses.length === 0 || refusal !== undefined
      ? await reader.encode(terms, NO_IMAGES)
      : await encodeWithImages(call, {
          terms,
          addresses,
          large,
          images: deps.images,
          bodies: deps.bodies,
        });
  const id = newJobId();
  const spec: JobSpec = {
    ...job,
    promptBound,
    id,
    receivedAt,
    streamed: wish.streamed,
    clientSeals: false,
    recount,
    conversation,
    prefixes,
    seal: relaySealing(deps.sealFor, id, { encoded, topLogprobs }),
  };
  const nowSeconds = () => Math.floor(deps.now() / 1_000);
  const head = {
    job: id,
    model: wish.model,
    createdSeconds: nowSeconds(),
    nowSeconds,
    includeUsage: wish.includeUsage,
    maxOutputTokens,
    promptTokens: { estimate: wish.promptEstimate, bound: promptBound },
    request: (await large?.resolved(body, (field) => !CONVERSATION.has(field))) ?? body,
  };
  return { spec, wish, head, headers: { ...headers, ...ignoredHeader(ignored) }, refusal };
}

/** Fetched images make every request large, so it is encoded in a thread. */
async function encodeWithImages(
  call: ChatCall,
  {
    terms,
    addresses,
    large,
    images,
    bodies: threads,
  }: {
    readonly terms: ChatTerms;
    readonly addresses: readonly string[];
    readonly large: LargeBody | undefined;
    readonly images: RemoteImages;
    readonly bodies: BodyThreads;
  },
): Promise<EncodedChat> {
  // No thread waits for the servers of images.
  await large?.rest();
  const fetched = await images.fetchAll(addresses, call.owner.account);
  await using inThread =
    large ??
    (await LargeBody.open(Buffer.from(JSON.stringify(call.body)), {
      threads,
      account: call.owner.account,
      isWanted: () => true,
    }));
  await inThread.read(call);
  return await inThread.encode(terms, fetched);
}
