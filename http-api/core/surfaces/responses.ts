import { responsesParameters } from '../parameters/responses-parameters.ts';
import { endedResponse, endStatus, itemsOf } from './response-resource.ts';
import { ResponseStream } from './response-stream.ts';
import { lowerResponses } from './responses-request.ts';
import type { Surface } from './surface.ts';

/**
 * `POST /v1/responses`: OpenAI's newer API. An answer is a list of items: reasoning, messages and
 * function calls.
 */
export const responses: Surface = {
  path: '/v1/responses',
  parameters: responsesParameters,
  lower: lowerResponses,
  stream: (head) => new ResponseStream(head),
  whole: (head, answer) =>
    endedResponse(head, itemsOf(head, answer, endStatus(answer.end)), answer.end),
  error: (error) => error.toBody(),
};
