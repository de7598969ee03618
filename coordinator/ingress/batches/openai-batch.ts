import { invalid, isGiven, isObject, type JsonObject } from '#http-api/core/json.ts';
import { chat } from '#http-api/core/surfaces/chat.ts';
import { completions } from '#http-api/core/surfaces/completions.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import { STORED_FIELDS } from '#http-api/core/surfaces/responses-request.ts';
import { type BatchDialect, unrunTexts } from './batch-dialect.ts';

const surfaces = [chat, completions, responses] as const;
export const ENDPOINTS = ['/v1/chat/completions', '/v1/completions', '/v1/responses'] as const;

const MAX_CUSTOM_ID = 512;

/** The lines of OpenAI's batches, all of which are requests for one endpoint. */
export function openAiBatch(endpoint: string): BatchDialect {
  return {
    listsFiles: true,
    requestIn: (line) => {
      const { custom_id: customId, method, url, body } = line;
      if (typeof customId !== 'string' || customId === '' || customId.length > MAX_CUSTOM_ID)
        throw invalid('custom_id', `custom_id must be a text of 1 to ${MAX_CUSTOM_ID} characters.`);
      if (method !== 'POST') throw invalid('method', 'method must be "POST".');
      if (url !== endpoint) throw invalid('url', `url must be the batch's endpoint, ${endpoint}.`);
      if (!isObject(body)) throw invalid('body', 'body must be an object.');
      const surface = surfaces.find(({ path }) => path === endpoint);
      if (surface === undefined) throw invalid('url', `Batches have no endpoint ${endpoint}.`);
      return { customId, surface, body };
    },
    answered: ({ customId }, body, { job, ...place }) => ({
      id: requestId(place),
      custom_id: customId,
      response: { status_code: 200, request_id: job, body },
      error: null,
    }),
    failed: ({ customId, surface }, error, { job, ...place }) => ({
      id: requestId(place),
      custom_id: customId,
      response: { status_code: error.status, request_id: job, body: surface.error(error, job) },
      error: null,
    }),
    unrun: ({ customId }, reason, place) => ({
      id: requestId(place),
      custom_id: customId,
      response: null,
      error: { code: reason, message: unrunTexts[reason] },
    }),
  };
}

const requestId = ({ batch, line }: { batch: string; line: number }): string =>
  `batch_req_${batch.slice(batch.indexOf('_') + 1)}_${line}`;

/** Throws for fields of a request that a line of a batch cannot have. */
export function checkLine(body: JsonObject): void {
  if (isGiven(body['stream']) && body['stream'] !== false)
    throw invalid('stream', 'A line of a batch is not streamed. Leave stream out.');
  if (isGiven(body['models'])) throw invalid('models', 'A line of a batch names one model.');
  for (const field of STORED_FIELDS)
    if (isGiven(body[field]) && body[field] !== false)
      throw invalid(
        field,
        `A line of a batch has no field ${field}: it runs without the API key under which responses are stored.`,
      );
  const { input } = body;
  if (Array.isArray(input) && input.some((item) => isObject(item) && item['type'] === 'compaction'))
    throw invalid(
      'input',
      'A line of a batch has no compactions: it runs without the API key that opens them.',
    );
}
