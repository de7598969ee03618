import { MAX_SEALED_BYTES } from '#bus-schemas';
import { type JsonObject, parseJson } from '#http-api/core/json.ts';
import { inProgress } from '#http-api/core/surfaces/response-resource.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import type { LargeBody } from '../bodies/request-body.ts';
import type { Claim } from '../idempotent-answers.ts';
import { StoredContents, tooLargeToStore } from '../stored/stored-contents.ts';
import { openStateful, refersToState, storesInput } from '../stored/stored-responses.ts';
import { contentKeysOf } from './authenticate.ts';
import type { InferenceExchange, ReadyJob } from './inference-exchange.ts';
import type { PreparedJob } from './prepare-job.ts';

/**
 * Largest body whose input may fit into a stored response, in bytes. Where a body escapes each letter
 * that is not English, it is up to three times as long as what is stored.
 */
const MAX_STORED_BODY_BYTES = 3 * MAX_SEALED_BYTES;

/** What a request reads from stored responses and conversations, and stores. */
export interface RequestState {
  /** The request without the fields about stored state; its input is the whole conversation. */
  readonly body: JsonObject;
  /** Whether the response goes on without a connection. */
  readonly isBackground: boolean;
  /** Stores the response of a job before the job starts. */
  begin(job: PreparedJob, claim: Claim | undefined): Promise<ReadyJob>;
}

/** A body with its values; an input that is not stored stays in its thread. */
async function valuesOf(sent: JsonObject, large: LargeBody | undefined): Promise<JsonObject> {
  if (large === undefined) return sent;
  if (!storesInput(sent)) return await large.resolved(sent, (field) => field !== 'input');
  if (large.size > MAX_STORED_BODY_BYTES) throw tooLargeToStore();
  return await large.resolved(sent);
}

/** Reads the stored state that a request refers to. Only the Responses API has such state. */
export async function openRequestState({
  surface,
  request,
  deps,
  large,
}: InferenceExchange): Promise<RequestState> {
  const sent = large?.fields ?? parseJson(request.body);
  const contents = new StoredContents(deps, contentKeysOf(request));
  const stateful =
    surface === responses && refersToState(sent)
      ? await openStateful(await valuesOf(sent, large), contents)
      : undefined;
  if (stateful === undefined)
    return {
      body: sent,
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
