import { type JsonObject, parseJson } from '#http-api/core/json.ts';
import { inProgress } from '#http-api/core/surfaces/response-resource.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import type { Claim } from '../idempotent-answers.ts';
import { StoredContents } from '../stored/stored-contents.ts';
import { openStateful, refersToState } from '../stored/stored-responses.ts';
import { contentKeysOf } from './authenticate.ts';
import type { InferenceExchange, ReadyJob } from './inference-exchange.ts';
import type { PreparedJob } from './prepare-job.ts';

/** What a request reads from stored responses and conversations, and stores. */
export interface RequestState {
  /** The request without the fields about stored state; its input is the whole conversation. */
  readonly body: JsonObject;
  /** Whether the response goes on without a connection. */
  readonly isBackground: boolean;
  /** Stores the response of a job before the job starts. */
  begin(job: PreparedJob, claim: Claim | undefined): Promise<ReadyJob>;
}

/** Reads the stored state that a request refers to. Only the Responses API has such state. */
export async function openRequestState({
  surface,
  request,
  deps,
  large,
}: InferenceExchange): Promise<RequestState> {
  const sent = large?.fields ?? parseJson(request.body);
  // Stored state is combined with the whole input, which is stored too.
  const isStateful = surface === responses && refersToState(sent);
  const asked = isStateful && large ? await large.resolved(sent) : sent;
  const contents = new StoredContents(deps, contentKeysOf(request));
  const stateful = isStateful ? await openStateful(asked, contents) : undefined;
  if (stateful === undefined)
    return {
      body: asked,
      isBackground: false,
      begin: async (job, claim) => ({ ...job, claim, run: undefined }),
    };
  const { body, isBackground, echo } = stateful;
  return {
    body,
    isBackground,
    begin: async (job, claim) => {
      const head = { ...job.head, request: echo };
      const response = inProgress(head);
      try {
        const options = { id: response.id, contents, request: stateful };
        return { ...job, head, claim, run: await deps.storedRuns.begin(options, response) };
      } catch (error) {
        // A response that cannot be stored releases its claim.
        await claim?.end(undefined);
        throw error;
      }
    },
  };
}
