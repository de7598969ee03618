import { invalid, isObject } from '#http-api/core/json.ts';
import { messages } from '#http-api/core/surfaces/messages.ts';
import { ApiError } from '#http-api/errors.ts';
import { type BatchDialect, type Unrun, unrunTexts } from './batch-dialect.ts';

/** The endpoint of a batch in Anthropic's format, all of whose lines are requests for messages. */
export const MESSAGES = '/v1/messages';
const CUSTOM_ID = /^[a-zA-Z0-9_-]{1,64}$/;

/** The lines of Anthropic's batches. */
export const anthropicBatch: BatchDialect = {
  listsFiles: false,
  requestIn: ({ custom_id: customId, params: body }) => {
    if (typeof customId !== 'string' || !CUSTOM_ID.test(customId))
      throw invalid('custom_id', 'custom_id must have 1 to 64 letters, digits, "_" or "-".');
    if (!isObject(body)) throw invalid('params', 'params must be an object.');
    return { customId, surface: messages, body };
  },
  answered: ({ customId }, message) => ({
    custom_id: customId,
    result: { type: 'succeeded', message },
  }),
  failed: ({ customId }, error, { job }) => ({
    custom_id: customId,
    result: { type: 'errored', error: messages.error(error, job) },
  }),
  unrun: ({ customId }, reason, { batch }) => ({
    custom_id: customId,
    result: unrunResult(reason, batch),
  }),
};

function unrunResult(reason: Unrun, batch: string): object {
  switch (reason) {
    case 'batch_cancelled':
      return { type: 'canceled' };
    case 'batch_expired':
      return { type: 'expired' };
    case 'storage_full':
    case 'invalid_api_key':
      return {
        type: 'errored',
        error: messages.error(new ApiError(reason, unrunTexts[reason]), batch),
      };
  }
}
