import { InferenceRequest, newJobId } from '#bus-schemas';
import { cacheScopeOf } from '#http-api/core/cache-scope.ts';
import { type ChatIntent, forwardedRequest, introspectChat } from '#http-api/core/introspect.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import { ignoredHeader } from '#http-api/core/parameters/parameter.ts';
import { beginningsOf } from '#http-api/core/prefixes.ts';
import { type AnswerHead, lowerRequest, type Surface } from '#http-api/core/surfaces/surface.ts';
import type { ApiError } from '#http-api/errors.ts';
import { recountTerms } from '../core/recount.ts';
import type { RemoteImages } from '../images/remote-images.ts';
import type { JobSpec } from '../job-spec.ts';
import { relaySealing, type SealFor } from '../relay-sealing.ts';
import { openCompactions } from './compaction.ts';
import { type AdmissionDeps, admitJob, type JobCaller } from './job-admission.ts';

export interface PrepareDeps extends AdmissionDeps {
  readonly now: () => number;
  readonly clock: () => number;
  readonly sealFor: SealFor;
  /** Fetches the images that requests name by their address; undefined if the operator allows no host. */
  readonly images: RemoteImages | undefined;
}

export interface InferenceCall {
  readonly surface: Surface;
  readonly body: JsonObject;
  readonly caller: JobCaller;
  /** The secret of the caller from which the scope of cached prompts is derived. */
  readonly secret: string;
}

export interface PreparedJob {
  readonly spec: JobSpec;
  readonly intent: ChatIntent;
  readonly head: AnswerHead;
  /** Headers with what is left of the limits of key and account, and with fields without effect. */
  readonly headers: Readonly<Record<string, string>>;
  /** The error of a request above its limits; it has been counted all the same. */
  readonly refusal: ApiError | undefined;
}

/** Checks a request, applies the rules for new jobs, and makes the job that answers it. */
export async function prepareJob(
  { surface, body, caller, secret }: InferenceCall,
  deps: PrepareDeps,
): Promise<PreparedJob> {
  const receivedAt = deps.clock();
  const { chat, ignored } = lowerRequest(
    surface,
    openCompactions(body, { account: caller.key.account, secret }),
  );
  const placed = deps.images?.withPlaceholders(chat);
  const asked = introspectChat(placed ?? chat);
  const { headers, refusal, job } = await admitJob(asked, caller, deps);
  // A request above its limits makes the ingress fetch nothing.
  const intent =
    deps.images === undefined || placed === undefined || refusal !== undefined
      ? asked
      : introspectChat(await deps.images.fetchAll(chat, caller.key.account));
  const cacheScope = cacheScopeOf({ secret, kind: 'cache', now: deps.now() });
  const id = newJobId();
  const { maxOutputTokens } = job;
  const topLogprobs = topLogprobsOf(intent.body);
  const spec: JobSpec = {
    ...job,
    promptBound: intent.promptBound,
    id,
    receivedAt,
    streamed: intent.streamed,
    clientSeals: false,
    recount: recountTerms(intent.body),
    ...beginningsOf(intent.body, `${cacheScope} ${job.model.id}`),
    seal: relaySealing(deps.sealFor, id, {
      encoded: InferenceRequest.encode({
        ...forwardedRequest(intent, { maxOutputTokens, cacheScope }),
        // The log probabilities of tokens that another machine takes over are not known.
        ...(intent.streamed && topLogprobs === undefined && { reportsIds: true }),
      }),
      topLogprobs,
    }),
  };
  const nowSeconds = () => Math.floor(deps.now() / 1_000);
  const head = {
    job: id,
    model: intent.model,
    createdSeconds: nowSeconds(),
    nowSeconds,
    includeUsage: intent.includeUsage,
    maxOutputTokens,
    promptTokens: { estimate: intent.promptEstimate, bound: intent.promptBound },
    request: body,
  };
  return { spec, intent, head, headers: { ...headers, ...ignoredHeader(ignored) }, refusal };
}

/**
 * Number of alternatives per token, or undefined without log probabilities. The chat contract has
 * been checked: `top_logprobs` is only valid with `logprobs`.
 */
function topLogprobsOf({ logprobs, top_logprobs: top }: JsonObject): number | undefined {
  return logprobs === true ? (typeof top === 'number' ? top : 0) : undefined;
}
